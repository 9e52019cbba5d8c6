"""Passwords set anew: an admin makes a reset, its bearer uses it once (security.md SE-10)."""

from isthmus.features.access.errors import MemberNotActive, MemberNotFound, ResetUnknown
from isthmus.features.access.events import PasswordReset, PasswordResetOffered
from isthmus.features.access.model import accounts as model
from isthmus.features.access.model.accounts import UserStatus
from isthmus.features.access.service.accounts import Shown, acting, check_still
from isthmus.features.access.service.hashing import Hasher
from isthmus.features.access.service.sessions import ISSUER
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import accounts, keys, resets, sessions
from isthmus.http import RequestFacts
from isthmus.kit import ids
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System


async def offer_reset(scope: Scope, user_id: str) -> Shown:
    """A reset for a member, shown once; one that was made before ends. Raises MemberNotFound, MemberNotActive."""
    shown = Secret(model.RESET + ids.base62(model.RANDOM_LETTERS))
    until = scope.now + scope.part(Settings).reset_life
    async with scope.tx() as tx:
        await check_still(scope, tx)
        found = await accounts.user(tx, user_id)
        if found is None or found.status is UserStatus.REMOVED:
            raise MemberNotFound
        if found.status is not UserStatus.ACTIVE:
            raise MemberNotActive
        offer = resets.Offer(user_id, scope.principal.id, until)
        await resets.insert_reset(tx, scope.id("pwr"), model.digest(shown), offer)
        tx.emit(PasswordResetOffered(subject=user_id))
    return Shown(found, shown, until)


async def reset_password(system: System, facts: RequestFacts, bearer: Secret, said: Secret) -> None:
    """Set another password with a reset, once; every session ends. Raises ResetUnknown, Invalid, Unavailable."""
    if not model.bears(bearer.reveal(), model.RESET):
        raise ResetUnknown
    digest = model.digest(bearer)
    async with system.tx() as look:
        found = await resets.reset(look, digest)
    if found is None or not found.usable or found.until <= system.now:
        raise ResetUnknown
    hashed = await system.engine.part(Hasher).hash(model.read_password(said, model.near(found.email)))
    scope = acting(system, facts, found.tenant_id, found.user_id)
    async with scope.tx() as tx:
        if not await resets.delete_reset(tx, digest):
            raise ResetUnknown
        await accounts.update_hash(tx, found.user_id, hashed)
        await sessions.delete_sessions(tx, ISSUER, found.user_id)
        alive = await keys.alive_of(tx, scope.principal.id, scope.now)
        tx.emit(PasswordReset(subject=found.user_id, body={"keys": alive}))
