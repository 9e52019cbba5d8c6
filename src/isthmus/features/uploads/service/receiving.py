"""Files come in: whole, or in parts that may be sent again; nothing is worked off before all is there."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.engine.blobs import Blob, Blobs, BlobTooLarge, FolderBlobs
from isthmus.features import records
from isthmus.features.uploads import store
from isthmus.features.uploads.errors import UploadBusy, UploadNotFound, UploadQuota, WrongMapping, WrongPart
from isthmus.features.uploads.events import UploadStarted
from isthmus.features.uploads.model.formats import CONFIGURED
from isthmus.features.uploads.model.upload import OPEN, State, Upload, UploadMode, event_body, opening_phase
from isthmus.features.uploads.service import formats
from isthmus.features.uploads.service.running import JOB
from isthmus.features.uploads.settings import Settings
from isthmus.kit import money
from isthmus.kit.errors import Problem, Unavailable
from isthmus.kit.text import terminal
from isthmus.scope import Scope, Tx

_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """What a sender says of a file: its name, and how it is to be read and written.

    Without a `mode`, and without a format and mapping, the configuration of product sync says it.
    """

    name: str
    mode: UploadMode | None = None
    format: str | None = None
    mapping_id: str | None = None
    mapping: Mapping[str, Any] | None = None
    currency: str | None = None
    decimal: str = "."
    origin: str = "upload"
    size: int | None = None


def shown_name(name: str) -> str:
    """A file's name as a label: without folders and without what could move a cursor (security.md CS-04)."""
    return terminal(name.replace("\\", "/").rpartition("/")[2]).strip()[:_NAME_LENGTH] or "file"


async def begin(scope: Scope, wish: Wish) -> Upload:  # house: silent - nothing is told before the file is whole
    """Open an upload that receives parts. Raises BlobTooLarge, UploadQuota, StoreFull, WrongMapping."""
    settings = scope.part(Settings)
    if wish.size is not None and wish.size > settings.size:
        raise BlobTooLarge(f"A file may have {settings.size} bytes, and this one has {wish.size}.")
    async with scope.tx() as tx:
        values = await _values(scope, tx, wish)
        files, size = await store.burden(tx)
        if files >= settings.open or size + (wish.size or 0) > settings.open_bytes:
            raise _quota(settings)
        await records.check_room(scope, tx)
        await store.insert(tx, values)
    return await upload(scope, values["id"])


async def _values(scope: Scope, tx: Tx, wish: Wish) -> dict[str, Any]:
    configured = await store.config(tx)
    mapping = await mapping_of(tx, wish, configured)
    formats.wanted(scope, wish.format, mapping)
    currency = wish.currency or scope.part(Settings).currency
    try:
        money.currency(currency)
    except ValueError:
        raise WrongMapping.field("currency", "Write the three letters of the currency, such as VND.") from None
    return {
        "id": scope.id("upl"),
        "name": shown_name(wish.name),
        "origin": wish.origin,
        "state": State.RECEIVING,
        "mode": wish.mode or usual_mode(configured),
        "format": wish.format,
        "mapping": mapping,
        "currency": currency,
        "decimal_sign": wish.decimal,
        "size": wish.size,
        "requested_by": scope.principal.id,
        "created_at": scope.now,
    }


async def mapping_of(tx: Tx, wish: Wish, configured: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The wish's own mapping, or the configured one, which is passed over where it does not fit the file.

    Raises WrongMapping.
    """
    if wish.mapping_id is not None:
        saved = await store.mapping(tx, wish.mapping_id)
        if saved is None:
            raise WrongMapping.field("mappingId", "There is no such mapping; list the saved ones.")
        return dict(saved["format"])
    if wish.mapping is not None:
        return dict(wish.mapping)
    if wish.format is not None or configured is None or configured["mapping"] is None:
        return None
    return {**configured["mapping"], "id": CONFIGURED}


def usual_mode(configured: Mapping[str, Any] | None) -> UploadMode:
    """What happens to good rows where nobody says it: by `onError`, else they are written."""
    stops = configured is not None and configured["on_error"] == "stop"
    return UploadMode.ALL_OR_NOTHING if stops else UploadMode.BEST_EFFORT


async def receive(scope: Scope, upload_id: str, start: int, content: AsyncIterable[bytes]) -> Upload:
    """Take the bytes from `start` on. What is stored already is taken again without effect. Raises WrongPart."""
    settings = scope.part(Settings)
    before = await upload(scope, upload_id)
    _receives(before)
    room = settings.size - before.received
    blob = await _blobs(scope).put(scope.tenant_id, content, limit=max(1, room))
    try:
        kept = await _kept(scope, upload_id, start, blob)
    except Problem as refused:
        # While the database is away nobody knows whether the part was noted; bytes that nothing names are swept away.
        if not isinstance(refused, Unavailable):
            await _blobs(scope).delete(scope.tenant_id, blob.id)
        raise
    if not kept:
        await _blobs(scope).delete(scope.tenant_id, blob.id)
    return await upload(scope, upload_id)


async def _kept(
    scope: Scope, upload_id: str, start: int, blob: Blob
) -> bool:  # house: silent - no fact before the start
    """Whether the part continues what is there; False when it had come before."""
    async with scope.tx() as tx:
        found = await store.upload(tx, upload_id, lock=True)
        if found is None:
            raise UploadNotFound
        _receives(found)
        if start + blob.size <= found.received:
            return False
        if start != found.received:
            raise WrongPart(
                f"{found.received} bytes have been received; the next part begins there, not at {start}.",
                details={"received": found.received},
            )
        end = start + blob.size
        if found.size is not None and end > found.size:
            raise WrongPart(
                f"The file was to have {found.size} bytes, and this part ends at {end}.",
                details={"received": found.received},
            )
        _, held = await store.burden(tx)
        settings = scope.part(Settings)
        if held + max(0, end - max(found.received, found.size or 0)) > settings.open_bytes:
            raise _quota(settings)
        await store.add_part(tx, upload_id, (start, blob.size, blob.id))
        return True


def _quota(settings: Settings) -> UploadQuota:
    return UploadQuota(details={"limit": settings.open, "limitBytes": settings.open_bytes}, retry_after=30)


def _receives(found: Upload) -> None:
    if found.state is not State.RECEIVING:
        raise UploadBusy(f"The upload is {found.state} and receives nothing any more.")


async def start(scope: Scope, upload_id: str) -> Upload:
    """Everything is there: work it off. Raises UploadNotFound, UploadBusy, WrongPart."""
    async with scope.tx() as tx:
        found = await store.upload(tx, upload_id, lock=True)
        if found is None:
            raise UploadNotFound
        _receives(found)
        if found.size is not None and found.received != found.size:
            raise WrongPart(
                f"{found.received} of {found.size} bytes have been received; send the rest first.",
                details={"received": found.received},
            )
        await store.queue(tx, upload_id, opening_phase(found.mode), found.received)
        await tx.enqueue(JOB, upload_id)
        tx.emit(UploadStarted(subject=upload_id, body=event_body(found)))
    return await upload(scope, upload_id)


async def send(scope: Scope, wish: Wish, content: AsyncIterable[bytes]) -> Upload:
    """A whole file at once."""
    opened = await begin(scope, wish)
    try:
        await receive(scope, opened.id, 0, content)
        return await start(scope, opened.id)
    except BaseException:
        await give_up(scope, opened.id)
        raise


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    """Bytes in memory as a stream."""
    yield content


async def upload(scope: Scope, upload_id: str) -> Upload:
    """One upload. Raises UploadNotFound."""
    async with scope.tx() as tx:
        found = await store.upload(tx, upload_id)
    if found is None:
        raise UploadNotFound
    return found


async def give_up(scope: Scope, upload_id: str) -> None:  # house: silent - it never began
    """Remove an upload that was not received whole, with its bytes."""
    async with scope.tx() as tx:
        found = await store.upload(tx, upload_id, lock=True)
        if found is None or (found.state in OPEN and found.state is not State.RECEIVING):
            return
        blobs = [blob for _, blob in await store.parts(tx, upload_id)]
        await store.drop(tx, upload_id)
    for blob in blobs:
        await _blobs(scope).delete(scope.tenant_id, blob)


def _blobs(scope: Scope) -> Blobs:
    return scope.part(FolderBlobs)
