"""Proves that the log is what was sealed, or names the first places where it is not (security.md AU-03, AU-04)."""

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.features.audit.errors import NothingSealed
from isthmus.features.audit.model import checkpoints as model
from isthmus.features.audit.model.checkpoints import Checkpoint, Fault, Head, Kind
from isthmus.features.audit.service import signing
from isthmus.features.audit.store import checkpoints as store
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import System

_PAGE = 50
#: The event, in the deployment's own part of the log, after which a tenant's entries may be gone.
ERASURE = "tenant.deletion_started"


@dataclass(slots=True)
class Verdict:
    """What a check of the whole log has found."""

    checkpoints: int = 0
    entries: int = 0
    #: Sealed entries that went with their tenant, which the log itself says.
    erased: int = 0
    #: Entries that no checkpoint covers yet.
    unsealed: int = 0
    head: Head | None = None
    #: The first places that are wrong, in the order of the log.
    faults: tuple[Fault, ...] = ()


async def verify(system: System, *, outside: Head | None = None, most: int = 20) -> Verdict:
    """Check every checkpoint and every entry; stops behind `most` faults.

    outside: a head that was kept elsewhere; without it, entries that were cut off the end together with their
    checkpoints cannot be seen. Raises KeyNotHeld.
    """
    publics = await signing.publics(system.scope(PLATFORM_TENANT, "audit"))
    verdict, faults, before = Verdict(), list[Fault](), None
    known = outside is None
    async with system.tx() as tx:
        floors = await store.floors(tx)
    log = _Log(system, publics, floors)
    while len(faults) < most:
        async with system.tx() as tx:
            page = await store.checkpoints(tx, before.number if before else 0, _PAGE)
        for one in page:
            faults += await _checked(log, one, before, verdict)
            known = known or outside == Head(one.number, one.digest)
            before = one
        if len(page) < _PAGE:
            break
    if before is not None:
        verdict.head = Head(before.number, before.digest)
    if not known and len(faults) < most:
        faults.append(Fault(Kind.CUT_OFF, outside.number if outside else 0, None))
    async with system.tx() as tx:
        verdict.unsealed = (await store.unsealed(tx, await store.next_stretch(tx, before)))["count"]
    verdict.faults = tuple(faults[:most])
    return verdict


async def head(system: System) -> Head:
    """The newest checkpoint, to be kept outside the database. Raises NothingSealed."""
    async with system.tx() as tx:
        found = await store.newest(tx)
    if found is None:
        raise NothingSealed
    return Head(found.number, found.digest)


@dataclass(frozen=True, slots=True)
class _Log:
    """What the checks of all checkpoints have in common."""

    system: System
    publics: Mapping[str, bytes]
    #: The last id before each epoch but the first.
    floors: Mapping[int, str]


async def _checked(log: _Log, one: Checkpoint, before: Checkpoint | None, verdict: Verdict) -> list[Fault]:
    verdict.checkpoints += 1
    expected = before.number + 1 if before else 1
    if one.number != expected:
        # the stretch of those that are gone cannot be told from this one's
        return [Fault(Kind.DELETED, expected, None)]
    if not model.holds(one, before, log.publics):
        return [Fault(Kind.FORGED, one.number, None)]
    ceiling = log.floors.get(one.epoch + 1)
    async with log.system.tx() as tx:
        rows = await store.sealed_rows(tx, model.stretch_of(one, before), one.last, ceiling)
        erased = await store.subjects(tx, PLATFORM_TENANT, ERASURE) if len(rows) < len(one.leaves) else frozenset()
    faults = model.compared(one, rows, erased)
    verdict.entries += len(rows)
    verdict.erased += 0 if faults else len(one.leaves) - len(rows)
    return faults
