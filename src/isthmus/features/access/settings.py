"""Knobs of access."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from isthmus.kit.secret import Secret

LOGIN_PREFIX = "ISTHMUS_LOGINS__"


@dataclass(frozen=True, slots=True)
class Settings:
    """How long this process believes what it knows of a tenant, and how API keys live."""

    tenant_check: timedelta = field(
        default=timedelta(seconds=1),
        metadata={
            "help": "How long a tenant's status is remembered; a suspension counts so much, and three seconds, later."
        },
    )
    tenants_remembered: int = field(
        default=10_000, metadata={"help": "Most tenants whose status is remembered at a time."}
    )
    keys_per_tenant: int = field(default=100, metadata={"help": "Most live API keys of a tenant."})
    key_overlap: timedelta = field(
        default=timedelta(hours=24),
        metadata={"help": "How long a rotated API key lives on beside its successor, unless the call says."},
    )
    key_overlap_most: timedelta = field(
        default=timedelta(days=7), metadata={"help": "The longest overlap that a rotation may ask for."}
    )
    key_use_flush: timedelta = field(
        default=timedelta(minutes=1), metadata={"help": "How often the times of last use of API keys are written."}
    )
    keys_remembered: int = field(
        default=10_000, metadata={"help": "Most API keys whose last use waits to be written in a process."}
    )
    erase_after: timedelta = field(
        default=timedelta(seconds=5),
        metadata={"help": "How long a tenant that is being deleted is kept out before its data are erased."},
    )
    erase_batch: int = field(
        default=5_000, metadata={"help": "Most rows that one transaction of a tenant's deletion erases."}
    )
    session_idle: timedelta = field(
        default=timedelta(hours=12), metadata={"help": "How long a session of a built-in account lives unused."}
    )
    session_life: timedelta = field(
        default=timedelta(days=7), metadata={"help": "How long a session of a built-in account lives at most."}
    )
    session_of_token_life: timedelta = field(
        default=timedelta(hours=12),
        metadata={"help": "How long a browser's session lives at most that was begun with a token of an issuer."},
    )
    reset_life: timedelta = field(
        default=timedelta(minutes=30), metadata={"help": "How long a password can be set anew with a reset."}
    )
    login_life: timedelta = field(
        default=timedelta(minutes=10), metadata={"help": "How long a login at another issuer may take."}
    )
    login_issuers: int = field(
        default=100, metadata={"help": "Most issuers to sign in at that super admins may add by API."}
    )
    invitation_life: timedelta = field(
        default=timedelta(days=7), metadata={"help": "How long an invitation can be taken up."}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenLogin:
    """An issuer that people sign in at (OpenID Connect), from `ISTHMUS_LOGINS__<NAME>__<FIELD>` or added by API.

    issuer: exactly as its ID tokens say it. The addresses are taken from its discovery document unless all three are
    given. algorithms: of one family. by_operator: it stands in the environment, and may be inside our own network.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: Secret | None = None
    label: str = ""
    algorithms: tuple[str, ...] = ("RS256",)
    authorize_url: str = ""
    token_url: str = ""
    jwks_url: str = ""
    by_operator: bool = True


_FIELDS = {
    "ISSUER", "CLIENT_ID", "CLIENT_SECRET", "LABEL", "ALGORITHMS", "AUTHORIZE_URL", "TOKEN_URL", "JWKS_URL",
}  # fmt: skip


def read_logins(environment: Mapping[str, str]) -> list[GivenLogin]:
    """The issuers of an environment, by name. Raises ValueError naming a variable that is wrong or missing."""
    found: dict[str, dict[str, str]] = {}
    for variable, value in sorted(environment.items()):
        if not variable.startswith(LOGIN_PREFIX):
            continue
        name, _, given = variable.removeprefix(LOGIN_PREFIX).partition("__")
        if given not in _FIELDS or not name.replace("_", "").isalnum() or not name.isascii():
            raise ValueError(f"{variable}: expected {LOGIN_PREFIX}<NAME>__ and one of {', '.join(sorted(_FIELDS))}")
        found.setdefault(name.lower(), {})[given] = value
    return [_login(name, given) for name, given in found.items()]


def _login(name: str, given: Mapping[str, str]) -> GivenLogin:
    start = f"{LOGIN_PREFIX}{name.upper()}__"
    for needed in ("ISSUER", "CLIENT_ID"):
        if not given.get(needed):
            raise ValueError(f"{start}{needed} is missing")
    places = [given.get(one, "") for one in ("AUTHORIZE_URL", "TOKEN_URL", "JWKS_URL")]
    if any(places) and not all(places):
        raise ValueError(f"{start}AUTHORIZE_URL, TOKEN_URL and JWKS_URL are given together or not at all")
    secret = given.get("CLIENT_SECRET")
    return GivenLogin(
        name=name,
        issuer=given["ISSUER"],
        client_id=given["CLIENT_ID"],
        client_secret=Secret(secret) if secret else None,
        label=given.get("LABEL", name),
        algorithms=tuple(one.strip() for one in given.get("ALGORITHMS", "RS256").split(",")),
        authorize_url=places[0],
        token_url=places[1],
        jwks_url=places[2],
    )
