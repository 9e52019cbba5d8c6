"""A file as it was sent becomes one local file in UTF-8, whatever parts, encoding and line ends it came in."""

import asyncio
import codecs
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from isthmus.engine.blobs import Blobs, FolderBlobs
from isthmus.features.uploads.model.source import HEAD, Source, detect
from isthmus.scope import Scope

_PIECE: Final = 1_048_576


async def spooled(scope: Scope, blob_ids: Sequence[str], folder: Path) -> tuple[Path, Source, str]:
    """The file, how to read it, and its SHA-256. Raises UnreadableFile, BlobNotFound, Unavailable."""
    place, digest = folder / "sent", hashlib.sha256()
    blobs: Blobs = scope.part(FolderBlobs)
    with place.open("wb") as target:
        for blob_id in blob_ids:
            async for piece in blobs.read(scope.tenant_id, blob_id):
                digest.update(piece)
                await asyncio.to_thread(target.write, piece)
    source = await asyncio.to_thread(_detected, place)
    if source.encoding == "utf-8" and not source.mark and not source.old_lines:
        return place, source, digest.hexdigest()
    return await asyncio.to_thread(_rewritten, place, source), source, digest.hexdigest()


def _detected(place: Path) -> Source:
    with place.open("rb") as file:
        head = file.read(HEAD)
        return detect(head, whole=not file.read(1))


def _rewritten(place: Path, source: Source) -> Path:
    """The file without its mark, in UTF-8, with usual line ends; what is no text becomes U+FFFD."""
    target = place.with_name("read")
    with place.open("rb") as old, target.open("wb") as new:
        old.seek(source.mark)
        if source.encoding == "utf-8":
            _copy(old, new, source)
            return target
        decoder = codecs.getincrementaldecoder(source.encoding)(errors="replace")
        while piece := old.read(_PIECE):
            new.write(_lines(decoder.decode(piece), source).encode())
        new.write(_lines(decoder.decode(b"", final=True), source).encode())
    place.unlink()
    return target


def _copy(old: BinaryIO, new: BinaryIO, source: Source) -> None:
    while piece := old.read(_PIECE):
        new.write(piece.replace(b"\r", b"\n") if source.old_lines else piece)


def _lines(text: str, source: Source) -> str:
    return text.replace("\r", "\n") if source.old_lines else text
