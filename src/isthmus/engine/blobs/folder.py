"""Blobs in a local folder: `<root>/<tenant>/<last two letters of the id>/<id>`, private to this user."""

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterable, AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from isthmus.engine.blobs.port import Blob, BlobNotFound, BlobTooLarge
from isthmus.kit import ids
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.errors import Unavailable

_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)
_PIECE: Final = 262_144


class FolderBlobs:
    """Implements `Blobs` on a folder that is made on first use. A full disk keeps nothing and raises Unavailable."""

    def __init__(self, root: Path, *, clock: Clock = SYSTEM) -> None:
        self._root = root
        self._clock = clock

    async def put(self, tenant_id: str, content: AsyncIterable[bytes], *, limit: int) -> Blob:
        """Write beside the place, flush to disk, then move there."""
        blob_id = ids.new("blb", self._clock)
        place = self._place(tenant_id, blob_id)
        part = place.with_suffix(".part")
        try:
            target = await asyncio.to_thread(_create, self._root, part)
            try:
                size, digest = await self._fill(target, content, limit)
            finally:
                target.close()
            await asyncio.to_thread(_settle, part, place)
        except OSError as failure:
            raise Unavailable(f"the file could not be stored: {failure.strerror or 'disk error'}") from failure
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return Blob(blob_id, size, digest)

    async def _fill(self, target: BinaryIO, content: AsyncIterable[bytes], limit: int) -> tuple[int, str]:
        size, digest = 0, hashlib.sha256()
        async for piece in content:
            size += len(piece)
            if size > limit:
                raise BlobTooLarge(f"the file is larger than {limit} bytes; nothing of it was kept")
            digest.update(piece)
            await asyncio.to_thread(target.write, piece)
        await asyncio.to_thread(_flush, target)
        return size, digest.hexdigest()

    async def read(self, tenant_id: str, blob_id: str) -> AsyncIterator[bytes]:
        """The bytes, in pieces of a quarter of a megabyte."""
        try:
            source = await asyncio.to_thread(self._place(tenant_id, blob_id).open, "rb")
        except FileNotFoundError:
            raise BlobNotFound from None
        try:
            while piece := await asyncio.to_thread(source.read, _PIECE):
                yield piece
        finally:
            source.close()

    async def delete(self, tenant_id: str, blob_id: str) -> bool:
        """Remove one."""
        try:
            await asyncio.to_thread(self._place(tenant_id, blob_id).unlink)
        except FileNotFoundError:
            return False
        return True

    async def delete_tenant(self, tenant_id: str) -> int:
        """Remove the tenant's folder."""
        return await asyncio.to_thread(_remove, self._folder(tenant_id))

    async def tenants(self) -> list[str]:
        """Who has a folder here."""
        return await asyncio.to_thread(_tenants, self._root)

    async def stored_before(self, tenant_id: str, before: datetime) -> list[str]:
        """A tenant's blobs that are older; what a put left behind that died before is removed."""
        return await asyncio.to_thread(_stored_before, self._folder(tenant_id), before.timestamp())

    def _folder(self, tenant_id: str) -> Path:
        if not _TENANT.fullmatch(tenant_id):
            raise ValueError("not a tenant id")
        return self._root / tenant_id

    def _place(self, tenant_id: str, blob_id: str) -> Path:
        if not ids.is_id(blob_id, "blb"):
            raise BlobNotFound
        return self._folder(tenant_id) / blob_id[-2:] / blob_id


def _create(root: Path, path: Path) -> BinaryIO:
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(exist_ok=True, mode=0o700)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb", buffering=0)


def _flush(target: BinaryIO) -> None:
    os.fsync(target.fileno())


def _settle(part: Path, place: Path) -> None:
    part.replace(place)
    held = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def _remove(folder: Path) -> int:
    count = sum(1 for path in folder.glob("*/blb_*") if path.suffix != ".part")
    shutil.rmtree(folder, ignore_errors=True)
    return count


def _tenants(root: Path) -> list[str]:
    return [path.name for path in root.glob("*") if _TENANT.fullmatch(path.name)]


def _stored_before(folder: Path, before: float) -> list[str]:
    found = []
    for path in folder.glob("*/blb_*"):
        with contextlib.suppress(FileNotFoundError):  # somebody removes it just now
            if path.stat().st_mtime >= before:
                continue
            if path.suffix == ".part":
                path.unlink()
            elif ids.is_id(path.name, "blb"):
                found.append(path.name)
    return found
