"""Issuers to sign in at: those of the environment, and those that super admins add, change, try and remove.

One that was added takes its addresses from its own discovery document and nowhere else, and its issuer never changes:
whoever may add issuers can therefore not stand in for one at which somebody has a login.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from isthmus.client import ClientError
from isthmus.features import vault
from isthmus.features.access.errors import (
    IssuerGiven,
    IssuerTaken,
    LoginIssuerChangedMeanwhile,
    LoginNotFound,
    TooManyIssuers,
)
from isthmus.features.access.events import LoginIssuerAdded, LoginIssuerChanged, LoginIssuerRemoved
from isthmus.features.access.model import login_issuers as model
from isthmus.features.access.model.login_issuers import KeptIssuer
from isthmus.features.access.model.logins import Endpoints
from isthmus.features.access.service.issuing import Logins, check_login
from isthmus.features.access.settings import GivenLogin, Settings
from isthmus.features.access.store import login_issuers as store
from isthmus.kit.clock import behind
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System, Tx

FIELD = "client_secret"
_NOWHERE = "The discovery document cannot be fetched: {why}"
_ELSE = "The discovery document is another issuer's, or does not say where people sign in."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIssuer:
    """An issuer as it is asked for."""

    name: str
    issuer: str
    client_id: str
    client_secret: Secret | None = None
    label: str | None = None
    algorithms: Sequence[str] = ("RS256",)


class Changes(TypedDict, total=False):
    """What is to be other; what is left out stays, and a secret that is None is taken away."""

    label: str | None
    client_id: str
    client_secret: Secret | None
    algorithms: Sequence[str]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of asking an issuer for its discovery document; `problem` is empty where all is well."""

    seconds: float
    endpoints: Endpoints | None
    problem: str


async def find_login(system: System, name: str) -> GivenLogin:
    """An issuer to sign in at, with its secret. Raises LoginNotFound."""
    given = system.engine.part(Logins).given.get(name)
    if given is not None:
        return given
    own = system.scope(PLATFORM_TENANT, "access")
    async with own.tx() as tx:
        kept = await store.issuer(tx, name)
        if kept is None:
            raise LoginNotFound
        sealed = kept.sealed
        secret = await vault.open(own, tx, sealed, owner=name, field=FIELD) if sealed is not None else None
    return replace(_given(kept), client_secret=secret)


async def every_login(system: System) -> list[GivenLogin]:
    """All issuers to sign in at, by name, without the secrets of those that were added."""
    async with system.scope(PLATFORM_TENANT, "access").tx() as tx:
        kept = await store.issuers(tx)
    given = system.engine.part(Logins).given
    return [*given.values(), *(_given(one) for one in kept if one.name not in given)]


async def login_issuers(scope: Scope) -> list[GivenLogin | KeptIssuer]:
    """All of them as a super admin sees them."""
    async with scope.platform().tx() as tx:  # house: platform - issuers belong to the deployment
        kept = await store.issuers(tx)
    return [*scope.part(Logins).given.values(), *kept]


async def login_issuer(scope: Scope, name: str) -> GivenLogin | KeptIssuer:
    """One of them. Raises LoginNotFound."""
    given = scope.part(Logins).given.get(name)
    if given is not None:
        return given
    async with scope.platform().tx() as tx:  # house: platform - issuers belong to the deployment
        return await _kept(tx, name)


async def add_issuer(scope: Scope, wanted: NewIssuer) -> KeptIssuer:
    """Let people sign in at another issuer. Raises Invalid, IssuerTaken, TooManyIssuers."""
    own, name = scope.platform(), model.read_name(wanted.name)  # house: platform - issuers belong to the deployment
    made = KeptIssuer(
        name=name,
        issuer=wanted.issuer,
        label=model.read_label(wanted.label, name),
        client_id=model.read_client(wanted.client_id),
        sealed=None,
        algorithms=tuple(dict.fromkeys(wanted.algorithms)),
        created_by=scope.principal.id,
        created_at=scope.now,
        updated_at=scope.now,
    )
    _check(made)
    given = scope.part(Logins).given
    if name in given or made.issuer in {one.issuer for one in given.values()}:
        raise IssuerTaken
    async with own.tx() as tx:
        await store.hold(tx)
        if len(await store.issuers(tx)) >= scope.part(Settings).login_issuers:
            raise TooManyIssuers
        made = replace(made, sealed=await _sealed(own, tx, name, wanted.client_secret))
        if not await store.insert_issuer(tx, made):
            raise IssuerTaken
        tx.emit(LoginIssuerAdded(subject=name, after=_told(made)))
    return made


async def change_issuer(scope: Scope, name: str, changes: Changes) -> KeptIssuer:
    """Its label, and what it knows us by.

    Raises Invalid, LoginNotFound, IssuerGiven, LoginIssuerChangedMeanwhile.
    """
    own = _own(scope, name)
    async with own.tx() as tx:
        before = await _kept(tx, name, locked=True)
        after = replace(
            before,
            label=model.read_label(changes["label"], name) if "label" in changes else before.label,
            client_id=model.read_client(changes["client_id"]) if "client_id" in changes else before.client_id,
            algorithms=tuple(dict.fromkeys(changes.get("algorithms", before.algorithms))),
            updated_at=behind(before.updated_at, scope.now),
        )
        if "client_secret" not in changes and replace(after, updated_at=before.updated_at) == before:
            return before
        scope.check_seen(before.etag, LoginIssuerChangedMeanwhile)
        if "client_secret" in changes:
            after = replace(after, sealed=await _sealed(own, tx, name, changes["client_secret"]))
        _check(after)
        await store.update_issuer(tx, after)
        tx.emit(
            LoginIssuerChanged(
                subject=name,
                before=_told(before),
                after=_told(after),
                body={"secretChanged": "client_secret" in changes},
            )
        )
    return after


async def remove_issuer(scope: Scope, name: str) -> None:
    """Nobody signs in there any more; logins stay with their members. Raises LoginNotFound, IssuerGiven."""
    async with _own(scope, name).tx() as tx:
        before = await _kept(tx, name, locked=True)
        await store.delete_issuer(tx, name)
        tx.emit(LoginIssuerRemoved(subject=name, before=_told(before)))


async def try_issuer(scope: Scope, name: str) -> Tried:  # house: silent - it only asks
    """Fetch its discovery document, as the first login would. Raises LoginNotFound."""
    found = await login_issuer(scope, name)
    given = found if isinstance(found, GivenLogin) else _given(found)
    begun = scope.clock.monotonic()
    try:
        endpoints, problem = await scope.part(Logins).discovered(given), _ELSE
    except ClientError as refused:
        endpoints, problem = None, _NOWHERE.format(why=refused)
    return Tried(scope.clock.monotonic() - begun, endpoints, "" if endpoints else problem)


async def reseal_issuers(scope: Scope, after: str | None, limit: int) -> str | None:  # house: silent - no fact changes
    """Seal client secrets under the tenant's current data key; the last name, None behind the last one."""
    async with scope.tx() as tx:
        rows = await store.sealed_issuers(tx, after or "", limit)
        for name, seen in rows:
            sealed = await vault.reseal(scope, tx, seen, owner=name, field=FIELD)
            if sealed is not None:
                await store.reseal_issuer(tx, name, seen, sealed)
    return rows[-1][0] if len(rows) == limit else None


def _own(scope: Scope, name: str) -> Scope:
    if name in scope.part(Logins).given:
        raise IssuerGiven
    return scope.platform()  # house: platform - issuers belong to the deployment


async def _kept(tx: Tx, name: str, *, locked: bool = False) -> KeptIssuer:
    found = await store.issuer(tx, name, locked=locked)
    if found is None:
        raise LoginNotFound
    return found


async def _sealed(own: Scope, tx: Tx, name: str, secret: Secret | None) -> bytes | None:
    return await vault.seal(own, tx, secret, owner=name, field=FIELD) if secret is not None else None


def _given(kept: KeptIssuer) -> GivenLogin:
    return GivenLogin(
        name=kept.name,
        issuer=kept.issuer,
        client_id=kept.client_id,
        label=kept.label,
        algorithms=kept.algorithms,
        by_operator=False,
    )


def _check(made: KeptIssuer) -> None:
    try:
        check_login(_given(made))
    except ValueError as error:
        name, _, why = str(error).partition(": ")
        raise Invalid.field(name, f"{why[:1].upper()}{why[1:]}") from None


def _told(one: KeptIssuer) -> dict[str, object]:
    return {
        "issuer": one.issuer,
        "label": one.label,
        "clientId": one.client_id,
        "hasSecret": one.sealed is not None,
        "algorithms": list(one.algorithms),
    }
