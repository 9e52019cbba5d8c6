"""Blobs: there whole or not at all, by tenant, and never outside their folder."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.engine.blobs import BlobNotFound, BlobTooLarge, FolderBlobs
from isthmus.kit.errors import Unavailable


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def whole(blobs: FolderBlobs, tenant: str, blob: str) -> bytes:
    return b"".join([piece async for piece in blobs.read(tenant, blob)])


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_what_was_stored_comes_back_to_its_tenant_alone(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    large = bytes(range(256)) * 2_000
    blob = await blobs.put("ten_a", pieces(b"head", large), limit=1_000_000)
    assert (blob.size, blob.digest) == (4 + len(large), hashlib.sha256(b"head" + large).hexdigest())
    assert await whole(blobs, "ten_a", blob.id) == b"head" + large
    with pytest.raises(BlobNotFound):
        await whole(blobs, "ten_b", blob.id)
    assert not await blobs.delete("ten_b", blob.id)
    assert await blobs.delete("ten_a", blob.id)
    with pytest.raises(BlobNotFound):
        await whole(blobs, "ten_a", blob.id)


async def test_nothing_is_kept_of_a_blob_that_is_too_large_or_breaks_off(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)

    async def breaks() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(BlobTooLarge, match="9 bytes"):
        await blobs.put("ten_a", pieces(b"12345", b"67890"), limit=9)
    with pytest.raises(Unavailable):
        await blobs.put("ten_a", breaks(), limit=100)
    assert _files(tmp_path) == []


@pytest.mark.parametrize("blob", ["", "..", "../../etc/passwd", "blb_", "blb_" + "a" * 25 + "/", "evt_" + "0" * 26])
async def test_an_id_that_is_no_id_finds_nothing(tmp_path: Path, blob: str) -> None:
    with pytest.raises(BlobNotFound):
        await whole(FolderBlobs(tmp_path), "ten_a", blob)


@pytest.mark.parametrize("tenant", ["", "..", "a/b", ".hidden", "a\0b"])
async def test_a_malformed_tenant_is_refused(tmp_path: Path, tenant: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        await FolderBlobs(tmp_path).delete_tenant(tenant)


async def test_files_are_private_and_a_tenant_can_be_removed_whole(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    for _ in range(3):
        await blobs.put("ten_a", pieces(b"x"), limit=10)
    other = await blobs.put("ten_b", pieces(b"y"), limit=10)
    files = _files(tmp_path / "blobs")
    assert len(files) == 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert (tmp_path / "blobs" / "ten_a").stat().st_mode & 0o077 == 0
    assert await blobs.delete_tenant("ten_a") == 3
    assert await whole(blobs, "ten_b", other.id) == b"y"


async def test_a_place_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file is in the way")
    with pytest.raises(Unavailable, match="could not be stored"):
        await FolderBlobs(tmp_path / "blobs").put("ten_a", pieces(b"x"), limit=10)


async def test_SC_07_the_same_bytes_of_two_tenants_are_two_files_and_cost_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs, steps = FolderBlobs(tmp_path), [0]
    real = asyncio.to_thread

    async def counted(function: Any, *given: Any) -> Any:
        steps[-1] += 1
        return await real(function, *given)

    monkeypatch.setattr(asyncio, "to_thread", counted)
    made = []
    # the second of another tenant, the third of the same one: neither can be told from the first
    for tenant in ("ten_a", "ten_b", "ten_a"):
        made.append(await blobs.put(tenant, pieces(b"the same", b" bytes"), limit=100))
        steps.append(0)
    assert steps[0] == steps[1] == steps[2] > 0
    assert len({one.id for one in made}) == 3
    assert len({one.digest for one in made}) == 1
    files = await real(_files, tmp_path)
    assert len({path.stat().st_ino for path in files}) == 3
    assert {path.stat().st_nlink for path in files} == {1}
    for path in files:
        assert made[0].digest not in str(path)
    await blobs.delete("ten_a", made[0].id)
    assert await whole(blobs, "ten_b", made[1].id) == await whole(blobs, "ten_a", made[2].id) == b"the same bytes"
