"""A connector's facts, read from its `manifest.toml` with a schema: unknown fields are refused (security.md PL-06)."""

import math
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from isthmus.connect.abilities import Acting, Writing
from isthmus.connect.service import Endpoint, EntityMapping, SearchAbilities, Service, Variable
from isthmus.connect.strict import Strict
from isthmus.connect.webhooks import Webhooks, check

Category = Literal[
    "crm", "communication", "data_source", "storage", "custom",
    "marketplace", "payment", "accounting", "support", "analytics",
]  # fmt: skip
#: Document 003's twelve; the kind selects the form, the test and the abilities that are shown.
IntegrationType = Literal[
    "rest_api", "graphql", "webhook", "database", "storage", "messaging",
    "payment", "email", "sms", "analytics", "crm", "custom",
]  # fmt: skip
AuthKind = Literal["oauth2", "api_key", "basic", "custom", "none"]
#: The fields that are traded for a token where nobody is asked for a consent.
TRADED = ("client_id", "client_secret")


class Field(Strict, frozen=True):
    """One credential or setting that a form asks for."""

    name: str
    label: str
    secret: bool = False
    required: bool = True
    help: str = ""
    pattern: str = ""
    #: The same in other languages than English, by their codes.
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    helps: dict[str, str] = msgspec.field(default_factory=dict)


class OAuth(Strict, frozen=True):
    """How a platform's consent works, as far as facts go; its particular forms are in the connector."""

    #: Whose word gives a token: a person's at the consent page, or the client id and secret of a connection itself
    #: (RFC 6749 section 4.4). There nobody is asked, so a form takes the two, and `auth` is `custom`.
    grant: Literal["authorization_code", "client_credentials"] = "authorization_code"
    scopes: tuple[str, ...] = ()
    pkce: bool = False
    #: Whether the platform sends `state` back by itself; where not, ours travels in the redirect URL.
    returns_state: bool = True
    #: True where the platform takes only one fixed redirect URI per app (security.md OA-04).
    single_redirect_uri: bool = False
    refresh: bool = True
    #: The issuer that callbacks must name (RFC 9207); empty where the platform names none.
    issuer: str = ""
    #: For providers without code: how scopes are joined, how the app proves itself, and how forms are sent.
    scope_separator: str = " "
    client_auth: Literal["basic", "body"] = "body"
    body_format: Literal["form", "json"] = "form"
    #: What is asked beside: at the consent page, or of the token endpoint where nobody is asked.
    authorize_params: dict[str, str] = msgspec.field(default_factory=dict)
    #: The app's public name, where it is a fact of the provider; its secret is set apart. Only without code.
    client_id: str = ""


#: The share of an app's quota that is left to what must not wait behind reading (security.md RL-07).
RESERVE: Final = 0.05


class Limit(Strict, frozen=True):
    """A published or chosen budget: at most `requests` per `seconds`, counted per connection or per app.

    `reserve` is the share that only urgent calls may take: `RESERVE` of an app's where nothing is said, none of a
    connection's.
    """

    requests: int
    seconds: float
    per: Literal["connection", "app"] = "connection"
    burst: int | None = None
    source: str = ""
    reserve: Annotated[float, msgspec.Meta(ge=0, le=0.5)] | None = None

    @property
    def kept(self) -> int:
        """Calls that only urgent ones may make, of those that may leave at once; none of very small quotas."""
        share = self.reserve
        if share is None:
            share = RESERVE if self.per == "app" else 0.0
        whole = self.burst or self.requests
        return min(math.floor(whole * share + 0.5), whole - 1)


class Entity(Strict, frozen=True):
    """A kind of record the connector can read."""

    name: str
    display_name: str
    shard_type: str
    operations: tuple[str, ...] = ("list", "read")
    page_size: int = 50
    #: Seconds read again before the watermark, and the longest window one read may cover (marketplaces.md 9.5).
    overlap_seconds: int = 600
    window_days: int | None = None
    #: Names of the fields that records have, for showing.
    fields: tuple[str, ...] = ()
    #: Where it is read, for providers without code of their own.
    endpoint: Endpoint | None = None


class Quality(Strict, frozen=True):
    """What has been proven about a connector, and how."""

    rule: str
    state: Literal["done", "emulated", "todo", "exempt"]
    comment: str = ""


class Manifest(Strict, frozen=True):
    """One provider's facts; the default that an override row may change."""

    id: str
    names: dict[str, str]
    category: Category
    integration_type: IntegrationType
    description: str
    auth: AuthKind
    api_version: str
    documentation_url: str
    hosts: dict[str, str]
    oauth: OAuth | None = None
    #: A second way to connect: without a secret among the credential fields, a consent is asked for.
    auth_also: tuple[Literal["oauth2"], ...] = ()
    app_fields: tuple[Field, ...] = ()
    credential_fields: tuple[Field, ...] = ()
    settings_fields: tuple[Field, ...] = ()
    limits: tuple[Limit, ...] = ()
    entities: tuple[Entity, ...] = ()
    regions: tuple[str, ...] = ()
    color: str = ""
    uptime: str = ""
    audience: Literal["system", "tenant"] = "tenant"
    status: Literal["active", "beta", "deprecated", "disabled"] = "active"
    quality: tuple[Quality, ...] = ()
    #: What can be written there, and done with its orders; none where a connector only reads.
    writing: Writing | None = None
    acting: Acting | None = None
    #: How the provider signs what it pushes to us; none where it pushes nothing, or nothing that we read.
    webhooks: Webhooks | None = None
    #: How it is called where it has no code of its own; hosts are then whole addresses: `api`, and for OAuth `consent`,
    #: `token`, `refresh` and `revoke`.
    service: Service | None = None
    variables: tuple[Variable, ...] = ()
    mappings: tuple[EntityMapping, ...] = ()
    search: SearchAbilities | None = None
    #: What no operation of an entity says: further abilities, and how records may flow.
    capabilities: tuple[str, ...] = ()
    sync_directions: tuple[Literal["pull", "push", "bidirectional"], ...] = ()
    realtime: bool = False
    notifications: bool = False
    user_scoping: bool = False
    premium: bool = False
    required_plan: str | None = None
    #: Shown first in the catalog.
    featured: bool = False
    icon: str = ""
    #: Document 002's `name`, where a provider that was made at run time has another one than its id.
    title: str = ""

    @property
    def name(self) -> str:
        """The English name, else the id."""
        return self.names.get("en", self.id)

    @property
    def trades_keys(self) -> bool:
        """Whether a connection's keys are never sent with a call, but traded for a token that is."""
        return self.oauth is not None and self.oauth.grant == "client_credentials"

    def entity(self, name: str) -> Entity | None:
        """The entity of that name."""
        return next((entity for entity in self.entities if entity.name == name), None)


def read(path: Path) -> Manifest:
    """Read and check one manifest. Raises ValueError naming the file and what is wrong."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        manifest = msgspec.convert(data, Manifest)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.parent.name}/{path.name}: {error}") from error
    if manifest.id != path.parent.name:
        raise ValueError(f"{path.parent.name}/{path.name}: id is {manifest.id!r}, the folder says {path.parent.name!r}")
    if manifest.trades_keys:
        _check_traded(manifest)
    elif ("oauth2" in {manifest.auth, *manifest.auth_also}) != (manifest.oauth is not None):
        raise ValueError(f"{manifest.id}: auth = 'oauth2' and the [oauth] table belong together")
    if manifest.webhooks is not None:
        _check_webhooks(manifest.id, manifest.webhooks)
    return manifest


def _check_traded(manifest: Manifest) -> None:
    asked = {field.name for field in manifest.credential_fields}
    if manifest.auth != "custom" or manifest.auth_also or not asked.issuperset(TRADED) or "token" not in manifest.hosts:
        raise ValueError(
            f"{manifest.id}: grant = 'client_credentials' goes with auth = 'custom', [hosts] token and credential "
            f"fields called {' and '.join(TRADED)}"
        )


def _check_webhooks(name: str, webhooks: Webhooks) -> None:
    try:
        check(webhooks)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
