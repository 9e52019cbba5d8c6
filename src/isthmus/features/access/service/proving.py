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
from isthmus.scope import Scope, Tx

FIELD = "code"


@dataclass(frozen=True, slots=True)
class Strangers:
    """Where wrong tries of one account from networks that it was never entered from are counted, and how many."""

    place: str
    failures: int


@dataclass(frozen=True, slots=True)
class Tries:
    """Where wrong tries of one account from one network are counted, and how many there were."""

    place: str
    failures: int
    until: datetime | None
    #: None where the network is known to the account, or its credentials are shown inside a session.
    strangers: Strangers | None = None

    def check(self, now: datetime) -> None:
        """Raise SignInTooSoon while the wait after the last one goes on."""
        if self.until is not None and self.until > now:
            raise SignInTooSoon(retry_after=(self.until - now).total_seconds())


def place_of(scope: Scope, email: str) -> str:
    """Where wrong tries of this account from the scope's network are counted."""
    return model.place(email, limit_key(scope.address) if scope.address else "")


async def tries_of(scope: Scope, tx: Tx, email: str) -> Tries:
    """The wrong tries that count for whoever signs in to this account from the scope's network."""
    own, strangers, known = place_of(scope, email), model.place_of_strangers(email), _known_at(scope, email)
    found = await store.failures_at(tx, (own, strangers, known))
    failures, until = found.get(own, (0, None))
    if known in found and found[known][1] > scope.now:
        return Tries(own, failures, until)
    return Tries(own, failures, until, Strangers(strangers, found[strangers][0] if strangers in found else 0))


async def tries_inside(scope: Scope, tx: Tx, found: store.Known | None) -> Tries:
    """The wrong tries that count for whoever shows their credentials once more inside a session."""
    place = place_of(scope, found.user.email if found else "")
    return Tries(place, *await store.failures(tx, place))


async def note_entry(scope: Scope, tx: Tx, email: str) -> None:  # house: silent - whoever signs somebody in tells it
    """The account was entered from the scope's network: its wrong tries are forgotten, and it is known from now on."""
    await store.delete_failures(tx, place_of(scope, email))
    await store.upsert_failure(tx, _known_at(scope, email), scope.now + model.KNOWN_FOR)


async def count_failure(scope: Scope, tries: Tries) -> None:  # house: silent - a guess changes nothing of the tenant
    """One more wrong try: the next one has to wait longer, and longest where strangers guess from many networks."""
    strangers = tries.strangers
    counted = tries.failures + 1 + (model.pressure(strangers.failures) if strangers is not None else 0)
    async with scope.tx() as tx:
        await store.upsert_failure(tx, tries.place, scope.now + model.delay(counted))
        if strangers is not None:
            await store.upsert_failure(tx, strangers.place, scope.now)


def _known_at(scope: Scope, email: str) -> str:
    return model.place_known(email, limit_key(scope.address) if scope.address else "")


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
