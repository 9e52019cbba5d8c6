"""What people do with uploads: look at them, try a file out, stop one, save mappings; and what is swept away."""

import asyncio
import itertools
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from isthmus.connect.shapes import Listing
from isthmus.engine.blobs import FolderBlobs
from isthmus.engine.db import Tx as SystemTx
from isthmus.engine.queue import Wake
from isthmus.features.uploads import store
from isthmus.features.uploads.errors import MappingChangedMeanwhile, MappingInUse, UploadBusy, UploadNotFound
from isthmus.features.uploads.events import MappingRemoved, MappingSaved, UploadCancelled
from isthmus.features.uploads.model.cells import Numbers
from isthmus.features.uploads.model.shaping import Refused, RowError, Terms
from isthmus.features.uploads.model.upload import OPEN, Phase, State, Upload, UploadFilter, UploadMode, event_body
from isthmus.features.uploads.service import formats, receiving, scratch
from isthmus.features.uploads.service.reading import Plan, groups, planned
from isthmus.features.uploads.service.receiving import Wish
from isthmus.features.uploads.service.running import JOB
from isthmus.features.uploads.service.spooling import spooled
from isthmus.features.uploads.settings import Settings
from isthmus.kit.errors import NotFound
from isthmus.kit.etags import etag
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope, System, Tx

_SHOWN: Final = 20
_QUIET: Final = 3
_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file looks like before it is taken: its first products, and what is wrong with its first rows."""

    kind: str
    encoding: str
    delimiter: str
    format: str
    columns: Sequence[str]
    products: Sequence[Listing]
    errors: Sequence[RowError]


async def uploads(scope: Scope, wanted: UploadFilter, ask: Ask) -> Page[Upload]:
    """Uploads, newest first."""
    async with scope.tx() as tx:
        return await store.page(tx, wanted, ask)


async def moved(tx: Tx, since: datetime, limit: int) -> Sequence[Upload]:
    """Uploads that have changed since a moment of the database's clock, in the order of it."""
    return await store.changed(tx, since, limit)


async def errors(scope: Scope, upload_id: str, ask: Ask) -> Page[Mapping[str, Any]]:
    """What was wrong with its rows. Raises UploadNotFound."""
    async with scope.tx() as tx:
        if await store.upload(tx, upload_id) is None:
            raise UploadNotFound
        return await store.errors(tx, upload_id, ask)


async def cancel(scope: Scope, upload_id: str) -> Upload:
    """Stop an upload; what has been written stays. One that is to write all or nothing is not stopped while it writes.

    Raises UploadNotFound, UploadBusy.
    """
    async with scope.tx() as tx:
        found = await store.upload(tx, upload_id, lock=True)
        if found is None:
            raise UploadNotFound
        if found.mode is UploadMode.ALL_OR_NOTHING and found.phase is Phase.WRITING and found.state in OPEN:
            raise UploadBusy("All rows have been accepted and are being written, all of them; it ends by itself.")
        stopped = await store.ask_cancel(tx, upload_id, scope.now)
        if stopped is None:
            raise UploadBusy("The upload has ended already.")
        if stopped.state is State.CANCELLED:
            tx.emit(UploadCancelled(subject=upload_id, body=event_body(stopped)))
    return stopped


async def preview(scope: Scope, wish: Wish, content: AsyncIterable[bytes]) -> Preview:
    """Read the beginning of a file and keep nothing of it.

    Raises MappingNeeded, UnreadableFile, WrongMapping, NoRoom.
    """
    async with scope.tx() as tx:
        mapping = await receiving.mapping_of(tx, wish, await store.config(tx))
    form = formats.wanted(scope, wish.format, mapping)
    blobs = scope.part(FolderBlobs)
    blob = await blobs.put(scope.tenant_id, content, limit=scope.part(Settings).size)
    try:
        with scratch.folder() as folder:
            place, source, _ = await spooled(scope, [blob.id], folder)
            plan = await asyncio.to_thread(planned, place, source, formats.known(scope), form)
            terms = Terms(wish.currency or scope.part(Settings).currency, Numbers(wish.decimal))
            products, wrong = await asyncio.to_thread(_first, place, plan, terms)
    finally:
        await blobs.delete(scope.tenant_id, blob.id)
    return Preview(source.kind, source.encoding, source.delimiter, plan.form.id, plan.header, products, wrong)


def _first(place: Path, plan: Plan, terms: Terms) -> tuple[list[Listing], list[RowError]]:
    products: list[Listing] = []
    wrong: list[RowError] = []
    with place.open("rb") as file:
        found = groups(file, plan, terms, (0, 0), place.with_name("rows-preview"))
        for shape, group in itertools.islice(found, _SHOWN):
            if group.problem is not None:
                wrong.append(RowError(group.rows[0].line if group.rows else group.line, "", "", group.problem))
                continue
            try:
                products.append(shape.listing(group.key, group.rows, group.extra))
            except Refused as refused:
                wrong += refused.errors
        found.close()
    return products, wrong


async def mappings(scope: Scope) -> Sequence[Mapping[str, Any]]:
    """The saved mappings, by name."""
    async with scope.tx() as tx:
        return await store.mappings(tx)


def etag_of(mapping: Mapping[str, Any]) -> str:
    """Stands for a saved mapping."""
    return etag(mapping["id"], mapping["name"], mapping["format"])


async def save_mapping(scope: Scope, name: str, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """Save which columns mean what, under a name; the same name replaces.

    Raises WrongMapping, MappingChangedMeanwhile.
    """
    formats.read(mapping)
    async with scope.tx() as tx:
        before = await store.mapping_named(tx, name)
        if before is None or before["format"] != mapping:
            scope.check_seen(None if before is None else etag_of(before), MappingChangedMeanwhile)
        id_ = await replace_mapping(scope, tx, name, mapping)
        found = await store.mapping(tx, id_)
    assert found is not None  # noqa: S101 - it was written in this transaction
    return found


async def replace_mapping(scope: Scope, tx: Tx, name: str, mapping: Mapping[str, Any]) -> str:
    """Write a mapping in an open transaction; the id that it has."""
    before = await store.mapping_named(tx, name)
    id_ = await store.save_mapping(tx, scope.id("map"), name, mapping, scope.now)
    was = None if before is None else {"format": before["format"]}
    tx.emit(MappingSaved(subject=id_, body={"name": name}, before=was, after={"format": mapping}))
    return id_


async def remove_mapping(scope: Scope, id_: str) -> None:
    """Remove a saved mapping. Raises NotFound, MappingInUse."""
    async with scope.tx() as tx:
        configured = await store.config(tx, lock=True)
        if configured is not None and configured["mapping_id"] == id_:
            raise MappingInUse
        found = await store.mapping(tx, id_)
        if found is None or not await store.drop_mapping(tx, id_):
            raise NotFound("There is no such mapping.")
        tx.emit(MappingRemoved(subject=id_, before={name: found[name] for name in ("name", "format")}))


async def missing(system: System, tx: SystemTx) -> Sequence[Wake]:
    """The wake-ups of uploads that nobody works on."""
    quiet = system.engine.part(Settings).lease / 10
    return [Wake(JOB, id_, tenant_id) for tenant_id, id_ in await store.stalled(tx, quiet, _MOST)]


async def sweep(system: System) -> None:
    """Give up what receives nothing any more, and forget what ended long ago, bytes included."""
    settings = system.engine.part(Settings)
    async with system.tx() as tx:
        gone = await store.abandoned(tx, settings.stale, system.now, _MOST)
        gone += await store.expired(tx, settings.keep, system.now, _MOST)
    for tenant_id, id_ in gone:
        await receiving.give_up(system.scope(tenant_id, "uploads"), id_)
