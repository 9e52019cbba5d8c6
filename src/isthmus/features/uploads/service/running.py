"""Working an upload off: page by page, each in one transaction with the place behind it; a crash repeats nothing."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from isthmus.connect.keeping import Written
from isthmus.connect.shapes import Listing, ListingStatus
from isthmus.features import orders, records
from isthmus.features.orders import OrderItem
from isthmus.features.records import ListingItem
from isthmus.features.uploads import store
from isthmus.features.uploads.errors import NoRoom, RowsRefused
from isthmus.features.uploads.events import UploadCancelled, UploadFailed, UploadFinished
from isthmus.features.uploads.model.cells import Numbers
from isthmus.features.uploads.model.formats import ORDERS
from isthmus.features.uploads.model.grouping import Group
from isthmus.features.uploads.model.shaping import Refused, RowError, Shape, Terms
from isthmus.features.uploads.model.upload import Phase, State, Step, Upload, UploadMode, event_body
from isthmus.features.uploads.service import formats, ordering, scratch
from isthmus.features.uploads.service.reading import Plan, groups, planned
from isthmus.features.uploads.service.spooling import spooled
from isthmus.features.uploads.settings import Settings
from isthmus.kit.errors import Problem, Unavailable
from isthmus.scope import Scope, Tx

T = TypeVar("T")
JOB: Final = "uploads.run"
#: A worker that died this often with the same upload does so again.
_DEATHS: Final = 3


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The merchant's own catalogue, as the store of records knows where records come from."""

    id: str = "own"
    provider: str = "upload"


OWN: Final = Catalogue()


class _Stop(Exception):
    """The upload is to be cancelled (`wanted`), or is not ours any more."""

    def __init__(self, *, wanted: bool) -> None:
        self.wanted = wanted
        super().__init__()


@dataclass(frozen=True, slots=True)
class _Page:
    """Products of one page: those that may be news, and what became of the others."""

    items: Sequence[ListingItem]
    errors: Sequence[RowError]
    step: Step


async def work(scope: Scope, upload_id: str) -> None:
    """Take the upload if nobody holds it, and carry it on from its place until it ends. Raises NoRoom, Unavailable."""
    settings = scope.part(Settings)
    async with scope.tx() as tx:
        upload = await store.claim(tx, upload_id, settings.lease, scope.now)
    if upload is None:
        return
    if upload.state is State.CANCELLING:
        await _end(scope, upload, State.CANCELLED)
    elif upload.deaths >= _DEATHS:
        message = f"The file ended its worker {upload.deaths} times and was set aside."
        await _end(scope, upload, State.FAILED, ("UPLOAD_PARKED", message))
    else:
        await _carried(scope, upload, settings)


async def _carried(scope: Scope, upload: Upload, settings: Settings) -> None:
    try:
        with scratch.folder() as folder:
            beat = asyncio.create_task(_beat(scope, upload, settings), name=f"beat {upload.id}")
            try:
                await _passes(scope, upload, settings, folder)
            finally:
                beat.cancel()
                await asyncio.gather(beat, return_exceptions=True)
    except _Stop as stop:
        if stop.wanted:
            await _end(scope, upload, State.CANCELLED)
    except NoRoom as full:
        async with scope.tx() as tx:
            await store.put_off(tx, upload, (full.code, f"{full.message} It goes on by itself once there is."))
        raise
    except Unavailable:
        await _hand_back(scope, upload)
        raise
    except Problem as failure:
        await _end(scope, upload, State.FAILED, (failure.code, failure.message))
    except asyncio.CancelledError:
        await asyncio.shield(_hand_back(scope, upload))
        raise


async def _beat(scope: Scope, upload: Upload, settings: Settings) -> None:  # house: silent - nothing changes
    """Prolong the lease while a large file is copied and put in order, which takes longer than one."""
    while True:
        await scope.clock.sleep(settings.lease.total_seconds() / 3)
        with contextlib.suppress(Unavailable):
            async with scope.tx() as tx:
                await store.beat(tx, upload, settings.lease)


async def _hand_back(scope: Scope, upload: Upload) -> None:
    async with scope.tx() as tx:
        await store.hand_back(tx, upload)
        await tx.enqueue(JOB, upload.id)


async def _passes(scope: Scope, upload: Upload, settings: Settings, folder: Path) -> None:
    async with scope.tx() as tx:
        blobs = [blob for _, blob in await store.parts(tx, upload.id)]
    place, source, digest = await spooled(scope, blobs, folder)
    wanted = formats.wanted(scope, upload.format, upload.mapping)
    plan = await asyncio.to_thread(planned, place, source, formats.known(scope), wanted)
    async with scope.tx() as tx:
        await store.describe(tx, upload, source, plan.form.id, digest)
    if upload.phase is Phase.CHECKING:
        failed = await _pass(scope, upload, settings, (place, plan))
        if upload.mode is UploadMode.CHECK or failed:
            await _checked(scope, upload, failed)
            return
        async with scope.tx() as tx:
            await store.begin_writing(tx, upload)
        upload = msgspec.structs.replace(upload, phase=Phase.WRITING, place=0, line=0, share=None)
    await _pass(scope, upload, settings, (place, plan))
    await _end(scope, upload, State.SUCCEEDED)


async def _checked(scope: Scope, upload: Upload, failed: int) -> None:
    """The end of a file that is not written. Raises RowsRefused where it was to be."""
    if upload.mode is UploadMode.CHECK:
        await _end(scope, upload, State.SUCCEEDED)
    else:
        async with scope.tx() as tx:
            await store.foresee_nothing(tx, upload)
        rows = "1 row" if failed == 1 else f"{failed} rows"
        raise RowsRefused(f"{rows} cannot be read, so nothing was written; correct them and send the file again.")


async def _pass(scope: Scope, upload: Upload, settings: Settings, file: tuple[Path, Plan]) -> int:
    """Go over the file once, from the upload's place on; how many rows were refused in all."""
    place, plan = file
    terms = Terms(upload.currency, Numbers(upload.decimal_sign))
    reading = records.revision("upload", msgspec.json.encode(plan.form).decode(), upload.currency, upload.decimal_sign)
    failed = upload.failed
    at, size = (upload.place, upload.line), place.stat().st_size
    with place.open("rb") as opened:
        if plan.form is ORDERS:
            with closing(ordering.groups(opened, plan, at)) as listed:
                while bought := await asyncio.to_thread(_drawn, listed, settings.page):
                    share = _share(plan, bought[-1], opened.tell(), size)
                    failed += await _orders(scope, upload, settings, (plan, bought, reading, share))
            return failed
        with closing(groups(opened, plan, terms, at, place.with_name(f"rows-{upload.phase}"))) as found:
            while drawn := await asyncio.to_thread(_drawn, found, settings.page):
                share = _share(plan, drawn[-1][1], opened.tell(), size)
                failed += await _page(scope, upload, settings, (drawn, reading, share))
    return failed


def _share(plan: Plan, last: Group, read: int, size: int) -> float:
    """How much of the file is done behind a group: by its products, by the bytes behind it, or by those read."""
    done, whole = (last.end, last.of) if last.of else (last.end if plan.source.by_bytes else read, size)
    return min(1.0, done / whole) if whole else 1.0


def _drawn(found: Iterator[T], most: int) -> list[T]:
    drawn = []
    for one in found:
        drawn.append(one)
        if len(drawn) >= most:
            break
    return drawn


async def _page(
    scope: Scope, upload: Upload, settings: Settings, page: tuple[Sequence[tuple[Shape, Group]], bytes, float]
) -> int:
    drawn, reading, share = page
    keys = [group.key for _, group in drawn if group.problem is None and group.key]
    known = await records.known_raw(scope, OWN.id, keys)
    gone = [group.key for shape, group in drawn if group.rows and shape.deletes(group.rows)]
    ends = await records.contents(scope, OWN.id, gone) if gone else {}
    hashes = {key: one.raw_hash for key, one in known.items()}
    made = await asyncio.to_thread(_made, drawn, _Before(hashes, ends, reading))
    made = replace(made, step=replace(made.step, share=share))
    return await _written(scope, upload, settings, made, (set(known), partial(_keep_listings, items=made.items)))


async def _orders(
    scope: Scope, upload: Upload, settings: Settings, page: tuple[Plan, Sequence[Group], bytes, float]
) -> int:
    plan, bought, reading, share = page
    made = await ordering.prepared(scope, plan, bought, OWN.id, reading)
    made = replace(made, step=replace(made.step, share=share))
    return await _written(scope, upload, settings, made, (made.known, partial(_keep_orders, items=made.items)))


async def _keep_listings(tx: Tx, scope: Scope, items: Sequence[ListingItem]) -> Written:
    return await records.write_listings(tx, scope, OWN, items)


async def _keep_orders(tx: Tx, scope: Scope, items: Sequence[OrderItem]) -> Written:
    return await orders.write_orders(tx, scope, OWN, items)


async def _written(
    scope: Scope,
    upload: Upload,
    settings: Settings,
    made: "_Page | ordering.Ready",
    keeping: tuple[Collection[str], Callable[[Tx, Scope], Awaitable[Written]]],
) -> int:
    """One page in one transaction with the place behind it; what the store knew already, and how it is written."""
    known, keep = keeping
    async with scope.tx() as tx:
        await _held(tx, upload)
        step = made.step
        if upload.phase is Phase.WRITING:
            written = await keep(tx, scope)
            refused = [RowError(0, "", one.external_id, one.reason) for one in written.refused]
            # Of records that come twice in one page the later counts; the sum of all counts is what came.
            repeated = len(made.items) - written.created - written.updated - written.unchanged - len(refused)
            step = replace(
                step,
                created=written.created,
                updated=written.updated,
                unchanged=step.unchanged + written.unchanged + repeated,
                failed=step.failed + len(refused),
            )
            await store.add_errors(tx, upload, [*made.errors, *refused], settings.errors)
        else:
            step = _foreseen(step, made, known)
            await store.add_errors(tx, upload, made.errors, settings.errors)
        await store.checkpoint(tx, upload, step, settings.lease)
    return step.failed


async def _held(tx: Tx, upload: Upload) -> None:
    state = await store.hold(tx, upload, OWN.id)
    if state is not State.RUNNING:
        raise _Stop(wanted=state is State.CANCELLING)


def _foreseen(step: Step, made: "_Page | ordering.Ready", known: Collection[str]) -> Step:
    """What writing the page would do, as far as can be told without comparing contents."""
    updated = sum(item.external_id in known for item in made.items)
    return replace(step, created=len(made.items) - updated, updated=updated)


@dataclass(frozen=True, slots=True)
class _Before:
    """What the store knows of a page's products: the hash of their bytes, and those that the page deletes."""

    hashes: Mapping[str, bytes]
    deleted: Mapping[str, Listing]
    reading: bytes


def _listing(shape: Shape, group: Group, before: _Before) -> Listing | None:
    """The product as it is to be stored; None where one that nobody knows is deleted."""
    if not shape.deletes(group.rows):
        return shape.listing(group.key, group.rows, group.extra)
    known = before.deleted.get(group.key)
    gone = ListingStatus.DELETED
    return None if known is None else msgspec.structs.replace(known, status=gone, platform_status=gone.value)


def _made(drawn: Sequence[tuple[Shape, Group]], before: _Before) -> _Page:
    """Products of a page as they are stored; what stands in the store with the same bytes is not read again."""
    items: list[ListingItem] = []
    errors: list[RowError] = []
    rows = unchanged = failed = 0
    for shape, group in drawn:
        rows += len(group.rows)
        if group.problem is not None:
            failed += max(1, len(group.rows))
            errors.append(
                RowError(group.rows[0].line if group.rows else group.line, "", group.key[:200], group.problem)
            )
            continue
        if not group.rows:
            continue
        raw = msgspec.json.encode([row.cells for row in group.rows])
        digest = records.raw_hash(raw, before.reading)
        if before.hashes.get(group.key) == digest:
            unchanged += 1
            continue
        try:
            listing = _listing(shape, group, before)
            if listing is None:
                unchanged += 1
            else:
                items.append(records.item(listing, raw, digest))
        except Refused as refused:
            errors += refused.errors
            failed += len(group.rows)
        except records.Unstorable as refusal:
            errors.append(RowError(group.rows[0].line, "", group.key[:200], refusal.reason))
            failed += len(group.rows)
    last = drawn[-1][1]
    step = Step(last.end, last.line, rows, len(drawn), unchanged=unchanged, failed=failed)
    return _Page(items, errors, step)


_ENDINGS = {State.SUCCEEDED: UploadFinished, State.FAILED: UploadFailed, State.CANCELLED: UploadCancelled}


async def _end(scope: Scope, upload: Upload, state: State, error: tuple[str, str] | None = None) -> None:
    async with scope.tx() as tx:
        ended = await store.finish(tx, upload, state, scope.now, error=error)
        if ended is not None:
            tx.emit(_ENDINGS[state](subject=ended.id, body=event_body(ended)))
        following = await store.waiting(tx)
        if following is not None:
            await tx.enqueue(JOB, following)
