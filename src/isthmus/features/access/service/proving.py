"""Proofs of who somebody is, and the waits between wrong ones (security.md SE-03, SE-04, SE-11)."""

from dataclasses import dataclass
from datetime import datetime

from isthmus.features import vault
from isthmus.features.access.errors import SecondFactorRequired, SignInFailed, SignInTooSoon
from isthmus.features.access.model import accounts as model
from isthmus.features.access.model import factors as factors_model
from isthmus.features.access.service.hashing import NOBODY, Hasher
from isthmus.features.access.store import accounts as store
from isthmus.features.access.store import factors as factors_store
from isthmus.http.addresses import limit_key
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

FIELD = "code"


@dataclass(frozen=True, slots=True)
class Tries:
    """Where wrong tries of one account from one network are counted, and how many there were."""

    place: str
    failures: int
    until: datetime | None

    def check(self, now: datetime) -> None:
        """Raise SignInTooSoon while the wait after the last one goes on."""
        if self.until is not None and self.until > now:
            raise SignInTooSoon(retry_after=(self.until - now).total_seconds())


def place_of(scope: Scope, email: str) -> str:
    """Where wrong tries of this account from the scope's network are counted."""
    return model.place(email, limit_key(scope.address) if scope.address else "")


async def count_failure(scope: Scope, tries: Tries) -> None:  # house: silent - a guess changes nothing of the tenant
    """One more wrong try: the next one has to wait longer."""
    async with scope.tx() as tx:
        await store.upsert_failure(tx, tries.place, scope.now + model.delay(tries.failures + 1))


async def fits(scope: Scope, said: Secret, known: store.Known | None) -> bool:
    """Whether this is the password, after as much work where there is none to compare with."""
    kept = known.hash if known is not None else None
    return await scope.part(Hasher).fits(model.normal(said), kept or NOBODY) and kept is not None


async def check_factor(scope: Scope, tries: Tries, user_id: str, code: Secret | None) -> bool:
    """Whether a second factor was shown: True for a right code, False where the member has none.

    Raises SecondFactorRequired without a code, SignInFailed for a wrong one.
    """
    async with scope.tx() as tx:
        row = await factors_store.factor(tx, user_id)
    if row is None or row["confirmed_at"] is None:
        return False
    if code is None:
        raise SecondFactorRequired
    if not await use_code(scope, user_id, code):
        await count_failure(scope, tries)
        raise SignInFailed
    return True


async def use_code(scope: Scope, user_id: str, code: Secret) -> bool:
    """Use a code up; False for a wrong one, or one that was used."""
    async with scope.tx() as tx:
        row = await factors_store.factor(tx, user_id)
        if row is None:
            return False
        secret = await vault.open(scope, tx, row["sealed"], owner=user_id, field=FIELD)
        step = factors_model.step_of(secret, code.reveal(), scope.now, row["last_step"])
        return step is not None and await factors_store.update_used(tx, user_id, step)
