"""The keys of a deployment: master keys for the vault, the key that signs tokens, and what is derived from them."""

import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from isthmus.engine import keys
from isthmus.engine.keys import KeyRing, MasterKeyUnusable
from isthmus.features import access
from isthmus.http import (
    Authenticator,
    Credentials,
    Issuer,
    JwksKeys,
    SharedKey,
    TokenAuthenticator,
    Verified,
    mint,
    own_issuer,
)
from isthmus.kit import ids
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Problem, Unauthenticated
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN
from isthmus.kit.secret import Secret
from isthmus.scope import System
from isthmus.settings import Core, KeySettings, WrongSetting

_MASTER_FILE, _DEVELOPMENT_FILE = "master.key", "development.key"


class NoDevelopmentKey(Problem):
    """Tokens are minted only by an embedded start with its own development key; ask your issuer for one.

    Sign tokens with the key of `ISTHMUS_AUTH__HS256`, or let the issuer of the JWKS address do it.
    """

    code = "NO_DEVELOPMENT_KEY"
    status = 409


@dataclass(frozen=True, slots=True)
class Signing:
    """Who may sign in, and whether this deployment may mint tokens itself."""

    authenticators: Sequence[Authenticator]
    given: KeySettings
    development: SharedKey | None = None

    def mint(self, tenant_id: str, subject: str, roles: Sequence[str], hours: float, clock: Clock) -> Secret:
        """A development token. Raises NoDevelopmentKey, ValueError."""
        if self.development is None:
            raise NoDevelopmentKey
        return mint(
            self.development,
            tenant_id=tenant_id,
            subject=subject,
            roles=roles,
            clock=clock,
            seconds=int(hours * 3600),
            issuer=self.given.issuer,
            audience=self.given.audience,
        )


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The ring, and the file that was made for it just now, if one was."""

    ring: KeyRing
    made: Path | None = None


class _LiveTenants:
    """Lets in only tokens of tenants that exist and are not suspended, with the roles that the tenant leaves.

    The deployment's own tenant is for super admins, and super admins are for it alone: a token of theirs opens no
    merchant's data (security.md SA-01). Whomever the deployment limits is none.
    """

    def __init__(self, inner: Authenticator, guard: access.TenantGuard, accounts: access.IssuerAccounts) -> None:
        self._inner = inner
        self._guard = guard
        self._accounts = accounts

    async def verify(self, credentials: Credentials) -> Verified | None:
        """The inner verdict, if the tenant is live. Raises Unauthenticated."""
        found = await self._inner.verify(credentials)
        if found is None:
            return None
        who = found.principal
        of_deployment = who.tenant_id == PLATFORM_TENANT
        if of_deployment != (SUPER_ADMIN in who.roles):
            raise Unauthenticated
        if not (of_deployment or await self._guard.is_live(who.tenant_id)):
            raise Unauthenticated
        admitted = await self._accounts.admitted(who)
        if of_deployment and SUPER_ADMIN not in admitted.roles:
            raise Unauthenticated
        return replace(found, principal=admitted)


def master_keys(core: Core, *, embedded: bool) -> MasterKeys:
    """The master keys from what is configured; an embedded first start makes one. Raises MasterKeyUnusable."""
    file = core.home / _MASTER_FILE
    if embedded and not _configured(core) and not file.exists():
        return MasterKeys(keys.make(file), file)
    return MasterKeys(read_ring(core, embedded=embedded))


def read_ring(core: Core, *, embedded: bool) -> KeyRing:
    """The master keys as their sources hold them now; makes none. Raises MasterKeyUnusable."""
    file = core.home / _MASTER_FILE if embedded and not _configured(core) else core.master_key_file
    ring = keys.load(text=core.master_key, text_name="ISTHMUS_MASTER_KEY", file=file, command=core.master_key_command)
    if ring is None:
        raise MasterKeyUnusable(
            "No master key is configured: "
            "give ISTHMUS_MASTER_KEY, ISTHMUS_MASTER_KEY_FILE or ISTHMUS_MASTER_KEY_COMMAND."
        )
    return ring


def _configured(core: Core) -> bool:
    return bool(core.master_key or core.master_key_file or core.master_key_command)


def signing(given: KeySettings, home: Path, system: System, guarded: access.Settings, *, embedded: bool) -> Signing:
    """Whose tokens are believed. Raises CannotStart for a weak key, WrongSetting when nobody could sign in."""
    clock = system.clock
    issuers = [_foreign(given, clock)] if given.jwks_url else []
    foreign = [issuer.name for issuer in issuers]
    development: SharedKey | None = None
    key = None if given.hs256 is None else SharedKey(given.hs256, setting="ISTHMUS_AUTH__HS256")
    if embedded and key is None and not issuers:
        key = development = SharedKey(_development_key(home / _DEVELOPMENT_FILE))
    if key is not None:
        issuers.append(own_issuer(key, name=given.issuer, audience=given.audience))
    if not issuers:
        raise WrongSetting("Nobody could sign in: give ISTHMUS_AUTH__HS256 or ISTHMUS_AUTH__JWKS_URL.")
    guard = access.TenantGuard(system, guarded)
    accounts = access.IssuerAccounts(system, guard, guarded, foreign)
    return Signing([_LiveTenants(TokenAuthenticator(issuers, clock), guard, accounts)], given, development)


def _foreign(given: KeySettings, clock: Clock) -> Issuer:
    """The issuer behind a JWKS address. Raises WrongSetting, CannotStart."""
    if not given.jwks_issuer or not given.jwks_tenants:
        raise WrongSetting("ISTHMUS_AUTH__JWKS_URL needs ISTHMUS_AUTH__JWKS_ISSUER and ISTHMUS_AUTH__JWKS_TENANTS too.")
    if given.jwks_issuer == given.issuer:
        raise WrongSetting("ISTHMUS_AUTH__JWKS_ISSUER: a foreign issuer cannot have our own issuer's name.")
    return Issuer(
        name=given.jwks_issuer,
        keys=JwksKeys.at(given.jwks_url, clock),
        algorithms=given.jwks_algorithms,
        audience=given.audience,
        tenants=None if "*" in given.jwks_tenants else frozenset(given.jwks_tenants),
    )


def _development_key(file: Path) -> Secret:
    try:
        return Secret(file.read_text("ascii").strip())
    except FileNotFoundError:
        text = ids.token(256)
        held = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(held, "w", encoding="ascii") as out:
            out.write(text + "\n")
        return Secret(text)


def cursor_secret(ring: KeyRing) -> Secret:
    """The key that paging cursors are bound with: equal in all processes that hold the same master key."""
    return Secret(hmac.digest(ring.primary.material, b"isthmus paging cursors", "sha256").hex())
