"""A process that is sent more than it can hold refuses in time, and lives (security.md RL-09)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
from fastapi import UploadFile
from hypothesis import given
from hypothesis import strategies as st
from tests.http.conftest import Lab, MakeLab

from isthmus.http import Routes, Wire, document
from isthmus.http.holding import PASSING, Holding, NoRoom, weight
from isthmus.kit.permissions import USER, permission

USE = permission("holding:use", "use it", USER)
MIB = 1024 * 1024
_BOUNDARY = "b0undary"
_HEAD = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'.encode()
_TAIL = f"\r\n--{_BOUNDARY}--\r\n".encode()


class Note(Wire):
    text: str


def routes() -> Routes:
    made = Routes(prefix="/api/held", tag="Held")

    @made.post(
        "/file",
        permission=USE,
        limit="other",
        response_model=None,
        summary="File",
        body_cap=1_100_000_000,
        deadline=3_600.0,
    )
    async def post(file: UploadFile) -> Any:
        return document({"size": file.size})

    @made.post("/note", permission=USE, limit="other", response_model=None, summary="Note")
    async def note(body: Note) -> Any:
        return document({"length": len(body.text)})

    return made


class Senders:
    """Uploads of zeros that are made while they are read; counts how many are under way at once."""

    def __init__(self, here: Lab, size: int) -> None:
        self.here, self.size = here, size
        self.now = self.most = self.refused = 0

    async def _zeros(self) -> AsyncIterator[bytes]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            yield _HEAD
            for _ in range(self.size // MIB):
                await asyncio.sleep(0)
                yield bytes(MIB)
            yield _TAIL
        finally:
            self.now -= 1

    async def upload(self, tenant: str) -> None:
        """One upload, sent again when the server says so."""
        length = len(_HEAD) + self.size + len(_TAIL)
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        headers = self.here.signed(tenant=tenant) | {"content-type": kind, "content-length": str(length)}
        while True:
            answer = await self.here.call("POST", "/api/held/file", content=self._zeros(), headers=headers)
            if answer.status_code == 200:
                assert answer.json() == {"size": self.size}
                return
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert int(answer.headers["retry-after"]) >= 1
            self.refused += 1
            await asyncio.sleep(0.02)


async def _crowd(here: Lab, size: int) -> tuple[Senders, int]:
    """Fifty uploads of ten tenants at once; how much the process grew meanwhile."""
    senders, process = Senders(here, size), psutil.Process()
    before, peak = process.memory_info().rss, 0
    async with asyncio.TaskGroup() as group:
        sending = [group.create_task(senders.upload(f"ten_{n % 10}")) for n in range(50)]
        while not all(one.done() for one in sending):
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.02)
    return senders, peak - before


#: Room for eight uploads at once.
_ROOM = {"held_bytes": 8 * PASSING, "limits": {"other": 100_000}}


async def test_RL_09_fifty_uploads_at_once_take_turns_and_memory_stays_flat(lab: MakeLab) -> None:
    senders, grown = await _crowd(lab(routes(), settings=_ROOM), 4 * MIB)
    assert senders.refused > 0
    assert 1 < senders.most <= 8
    assert grown < 96 * MIB


@pytest.mark.proof
@pytest.mark.timeout(3600)
async def test_RL_09_fifty_uploads_of_a_gigabyte_at_once_cost_no_more(
    lab: MakeLab, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight of them lie on the disk at a time."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("received")))
    senders, grown = await _crowd(lab(routes(), settings=_ROOM), 1024 * MIB)
    assert senders.refused > 0
    assert senders.most <= 8
    assert grown < 96 * MIB


async def test_RL_09_one_tenant_has_half_of_the_room(lab: MakeLab) -> None:
    here = lab(routes(), settings=_ROOM)
    senders = Senders(here, 2 * PASSING)
    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(senders.upload("ten_a"))
    assert 1 < senders.most <= 4


async def test_RL_09_small_requests_go_on_while_the_room_is_full(lab: MakeLab) -> None:
    here = lab(routes(), settings={"held_bytes": 10})
    headers = here.signed() | {"content-type": "application/json"}
    alone = await here.call("POST", "/api/held/note", content=b'{"text": "more than ten"}', headers=headers)
    assert alone.json() == {"length": 13}
    assert (await here.call("GET", "/health/live")).status_code == 200


def test_what_passes_on_weighs_its_pieces_and_what_is_parsed_weighs_itself() -> None:
    told = {b"content-length": b"50000000"}
    assert weight(told, 100_000_000, passing=True) == PASSING
    assert weight(told, 100_000_000, passing=False) == 50_000_000
    assert weight({b"transfer-encoding": b"chunked"}, 1_000, passing=False) == 1_000
    assert weight({}, 1_000, passing=False) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 60)), max_size=30))
def test_RL_09_no_more_is_held_than_there_is_room_for(wanted: list[tuple[str, int]]) -> None:
    holding, held = Holding(100), []
    for tenant, size in wanted:
        try:
            taken = holding.take(tenant, size)
        except NoRoom:
            continue
        taken.__enter__()
        held.append((tenant, size, taken))
        assert sum(one for _, one, _ in held) <= 100
        mine = [one for name, one, _ in held if name == tenant]
        assert len(mine) == 1 or sum(mine) <= 50
    for _, _, taken in held:
        taken.__exit__()
    holding.take("a", 100)
