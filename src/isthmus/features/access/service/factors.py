"""Second factors of built-in accounts: given, confirmed, taken away (security.md SE-11)."""

from dataclasses import dataclass

from isthmus.engine import keys
from isthmus.features import vault
from isthmus.features.access.errors import (
    FactorNeeded,
    FactorPresent,
    MemberNotFound,
    NoSecondFactor,
    NoSession,
    SignInFailed,
)
from isthmus.features.access.events import SecondFactorAdded, SecondFactorRemoved
from isthmus.features.access.model import factors as model
from isthmus.features.access.model.accounts import UserStatus
from isthmus.features.access.service import proving, sessions
from isthmus.features.access.service.accounts import check_still
from isthmus.features.access.store import accounts as accounts_store
from isthmus.features.access.store import factors as store
from isthmus.features.access.store import sessions as sessions_store
from isthmus.kit.permissions import SUPER_ADMIN
from isthmus.kit.secret import Secret
from isthmus.scope import Scope


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app is given, this once: the secret, and the same as it is read from a QR code."""

    shown: Secret
    address: Secret


async def offer_factor(scope: Scope) -> Enrolment:  # house: silent - it counts for nothing before it is confirmed
    """A second factor for the caller's account; one that was not confirmed gives way. Raises MemberNotFound,
    FactorPresent.
    """
    who = scope.principal
    secret = model.text_of(keys.random_material()[: model.SECRET_BYTES])
    async with scope.tx() as tx:
        found = await accounts_store.user(tx, who.subject) if who.issuer == sessions.ISSUER else None
        if found is None:
            raise MemberNotFound(
                "Only built-in accounts have a second factor here; others have theirs at their issuer."
            )
        sealed = await vault.seal(scope, tx, secret, owner=found.id, field=proving.FIELD)
        if not await store.insert_factor(tx, found.id, sealed=sealed, now=scope.now):
            raise FactorPresent
    return Enrolment(secret, model.address(secret, found.email))


async def confirm_factor(scope: Scope, shown: Secret, code: Secret) -> Secret:
    """The app works: from now on every sign-in asks for a code. The session goes on under another token.

    Raises NoSession, NoSecondFactor, FactorPresent, SignInFailed for a wrong code, SignInTooSoon.
    """
    who = scope.principal
    if not who.session:
        raise NoSession
    async with scope.tx() as tx:
        row = await store.factor(tx, who.subject)
        place = proving.place_of(scope, who.subject)
        tries = proving.Tries(place, *await accounts_store.failures(tx, place))
    if row is None:
        raise NoSecondFactor
    if row["confirmed_at"] is not None:
        raise FactorPresent
    tries.check(scope.now)
    if not await proving.use_code(scope, who.subject, code):
        await proving.count_failure(scope, tries)
        raise SignInFailed("This is no code that counts now: take the one that the authenticator app shows.")
    async with scope.tx() as tx:
        if await store.update_confirmed(tx, who.subject, scope.now):
            tx.emit(SecondFactorAdded(subject=who.subject))
    return await sessions.renew(scope, shown, strong=True)


async def remove_factor(scope: Scope, user_id: str) -> None:
    """Take a member's second factor away; every session of theirs ends.

    Raises MemberNotFound, NoSecondFactor, FactorNeeded: super admins may not be without, unless an operator on the
    machine takes it away so that they get another.
    """
    async with scope.tx() as tx:
        if user_id != scope.principal.subject:
            await check_still(scope, tx)
        found = await accounts_store.user(tx, user_id)
        if found is None or found.status is UserStatus.REMOVED:
            raise MemberNotFound
        if SUPER_ADMIN in found.roles and scope.principal.kind != "operator":
            raise FactorNeeded
        if not await store.delete_factor(tx, user_id):
            raise NoSecondFactor
        await sessions_store.delete_sessions(tx, sessions.ISSUER, user_id)
        tx.emit(SecondFactorRemoved(subject=user_id))


async def reseal(scope: Scope, after: str | None, limit: int) -> str | None:  # house: silent - no fact changes
    """Seal second factors under the tenant's current data key."""
    async with scope.tx() as tx:
        rows = await store.factors(tx, after or "", limit)
        for row in rows:
            sealed = await vault.reseal(scope, tx, row["sealed"], owner=row["id"], field=proving.FIELD)
            if sealed is not None:
                await store.update_sealed(tx, row["id"], sealed)
    return rows[-1]["id"] if len(rows) == limit else None
