"""A scope that takes files of products."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.given import records

from isthmus.connect import registry
from isthmus.engine.blobs import FolderBlobs
from isthmus.engine.db import Database
from isthmus.features import uploads
from isthmus.features.uploads import Upload, Wish
from isthmus.features.uploads.service import running
from isthmus.features.uploads.settings import Settings
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

FORMATS = uploads.Formats(registry.folders())


def scope(database: Database, folder: Path, **settings: Any) -> Scope:
    """A merchant whose files lie in this folder."""
    parts = (replace(Settings(currency="USD", page=3), **settings), FORMATS, FolderBlobs(folder))
    return records.scope(records.engine(database, {type(part): part for part in parts}))


async def pieces(content: bytes, size: int = 1_000) -> AsyncIterator[bytes]:
    """Bytes as they come over a line."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def wish(name: str, **more: Any) -> Wish:
    """What a sender says of a file."""
    return Wish(name=name, **more)


async def sent(scope: Scope, content: bytes | str, name: str = "products.csv", **said: Any) -> Upload:
    """A file, received whole and waiting."""
    body = content.encode() if isinstance(content, str) else content
    return await uploads.send(scope, Wish(name=name, **said), pieces(body))


async def taken(scope: Scope, content: bytes | str, name: str = "products.csv", **said: Any) -> Upload:
    """A file, worked off."""
    upload = await sent(scope, content, name, **said)
    await running.work(scope, upload.id)
    return await uploads.upload(scope, upload.id)


def counts(upload: Upload) -> tuple[int, int, int, int]:
    """Created, updated and unchanged products, and refused rows."""
    return upload.created, upload.updated, upload.unchanged, upload.failed


async def wrong(scope: Scope, upload: Upload) -> list[Mapping[str, Any]]:
    """Its row errors."""
    return list((await uploads.errors(scope, upload.id, Ask(100))).items)
