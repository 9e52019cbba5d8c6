"""Connectors of third parties in processes of their own: the same contract, and bounds that each hold (PL-05)."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.given import apart as given

from isthmus.client import InvalidRequest, Missing
from isthmus.connect.apart import Cells, Crashed, Endless, Unready, WallsMissing
from isthmus.connect.apart.away import facts_of
from isthmus.connect.apart.cell import Cell
from isthmus.connect.apart.process import Lodger
from isthmus.connect.budgets import Overrun, Within
from isthmus.connect.manifest import read
from isthmus.connect.spi import Account, Connector, RawRecord
from isthmus.kit.clock import ManualClock

Known = tuple[Cell, Connector, ManualClock]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    home = tmp_path_factory.mktemp("lodgers")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(home))
        patch.setenv("ISTHMUS_MASTER_KEY", "never to be seen")
        with (home / "open.txt").open("w") as ours:
            os.set_inheritable(ours.fileno(), True)
            with given.lodged(home, given.settings()) as lodged:
                yield lodged


@pytest.fixture(autouse=True)
def rested(known: Known) -> None:
    """No test waits for the crashes of another."""
    known[2].advance(1_000)
    known[0].running()


async def test_PL_05_the_kernel_stands_around_it(known: Known) -> None:
    """Demanded by default; a machine without these walls would refuse to start."""
    assert "kernel" in known[0].running().walls


@pytest.mark.parametrize(
    "deed",
    [
        "socket",
        "connection",
        "folder",
        "neighbour",
        "file",
        "beside",
        "names",
        "written",
        "fork",
        "program",
        "programs",
        "memory",
    ],
)
async def test_PL_05_what_it_has_no_business_with_is_refused_and_it_lives(known: Known, deed: str) -> None:
    pid = known[0].running().pid
    async with given.lodging(known) as lodging:
        with pytest.raises(Crashed, match=r"The connector raised (Permission|Memory|OS|BlockingIO)Error\."):
            await lodging.deed(deed)
        assert known[0].running().pid == pid


async def test_PL_05_it_has_no_environment(known: Known) -> None:
    async with given.lodging(known) as lodging:
        assert set(await lodging.deed("environment")) <= set("['LC_CTYPE']")


async def test_PL_05_it_has_no_open_file_of_ours(known: Known) -> None:
    async with given.lodging(known) as lodging:
        assert await lodging.deed("handles") == "[]"


async def test_PL_05_it_is_never_imported_here(known: Known) -> None:
    assert not [name for name in sys.modules if name.startswith(given.LODGED)]


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("death", "its process ended"),
        ("nonsense", "a frame that cannot be read"),
        ("flood", "more than 32 requests at once"),
    ],
)
async def test_PL_05_what_ends_it_is_named_and_ends_that_call_alone(known: Known, deed: str, said: str) -> None:
    async with given.lodging(known) as lodging:
        with pytest.raises(Crashed, match=said) as caught:
            await lodging.deed(deed)
        assert caught.value.retry_safe
        assert await lodging.connector.test(lodging.session) == Account("1")


async def test_PL_05_a_failure_of_its_code_is_a_failure_of_the_call(known: Known) -> None:
    async with given.lodging(known) as lodging:
        with pytest.raises(Crashed, match="The connector raised RuntimeError") as caught:
            await lodging.deed("failure")
        assert "words of its own" not in str(caught.value)


async def test_PL_05_what_finds_no_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    with given.lodged(tmp_path, given.impatient()) as lodged:
        with pytest.raises(Endless, match=r"it computed for more than 0\.5 s") as caught:
            lodged[1].map_listing(RawRecord("1", b"endless"), Account("1"))
        assert isinstance(caught.value, Overrun)
        for deed in ("silence", "busy"):
            lodged[2].advance(1_000)
            async with given.lodging(lodged) as lodging:
                with pytest.raises(Crashed, match=r"it said nothing for 0\.5 s"):
                    await lodging.deed(deed)


def test_PL_05_a_mapping_that_ends_the_process_is_a_failure_of_the_record(known: Known) -> None:
    with pytest.raises(Crashed, match="its process ended"):
        known[1].map_listing(RawRecord("1", b"death"), Account("1"))


def test_PL_04_PL_05_a_page_that_is_mapped_slowly_ends_as_one_that_is_mapped_without_end(known: Known) -> None:
    """Waiting for another process takes no processor time of ours, and is counted all the same."""
    mapped = 0
    with pytest.raises(Overrun), Within(0.1):
        while mapped < 10:
            with contextlib.suppress(msgspec.ValidationError):
                known[1].map_listing(RawRecord("1", b"slow"), Account("1"))
            mapped += 1
    assert mapped <= 2


async def test_PL_05_a_crash_over_an_answer_does_not_send_the_request_again(known: Known) -> None:
    async with given.lodging(known) as lodging:
        for method, idempotent in (("POST", False), ("GET", True)):
            known[2].advance(1_000)
            known[0].running()
            with pytest.raises(Crashed) as caught:
                await lodging.session.client.request(method, "/deadly", idempotent=idempotent)
            assert (caught.value.sent, caught.value.retry_safe) == (True, False)
        assert len(lodging.asked) == 2


def test_a_computation_waits_for_no_start(known: Known) -> None:
    known[0].running().end("killed")
    known[2].advance(1_000)
    with pytest.raises(Crashed, match="is started again") as caught:
        known[1].map_listing(RawRecord("1", b"{}"), Account("1"))
    assert caught.value.retry_safe
    assert known[0].running().alive


def test_PL_05_what_is_no_listing_is_refused(known: Known) -> None:
    with pytest.raises(msgspec.ValidationError):
        known[1].map_listing(RawRecord("1", b"{}"), Account("1"))


async def test_PL_05_a_crash_after_a_crash_waits(known: Known) -> None:
    async with given.lodging(known) as lodging:
        for _ in range(2):
            with pytest.raises(Crashed, match="its process ended"):
                await lodging.deed("death")
        with pytest.raises(Crashed, match="starts again in") as caught:
            await lodging.deed("environment")
        assert caught.value.retry_after is not None
        known[2].advance(caught.value.retry_after + 0.1)
        assert await lodging.deed("environment")


async def test_PL_05_requests_are_made_here_with_credentials_that_it_never_sees(known: Known) -> None:
    async with given.lodging(known) as lodging:
        shown = await lodging.deed("echo")
        (asked,) = lodging.asked
        assert asked.headers["Authorization"] == f"Bearer {given.KEY}"
        assert asked.headers["X-Own"] == "1"
        assert "Host" not in asked.headers
        assert str(asked.url).endswith("/echo?a=1")
        assert given.KEY not in shown
        assert "Bearer ***" in shown


async def test_PL_03_PL_05_it_reaches_no_other_host(known: Known) -> None:
    async with given.lodging(known) as lodging:
        with pytest.raises(InvalidRequest, match=r"evil\.example is not a host of this client"):
            await lodging.deed("elsewhere")
        assert not lodging.asked


async def test_failures_of_the_far_side_pass_through_it_whole(known: Known) -> None:
    async with given.lodging(known) as lodging:
        with pytest.raises(Missing) as caught:
            await lodging.deed("missing")
        assert (caught.value.status, caught.value.kind) == (404, "not_found")


async def test_its_clock_is_the_connections(known: Known) -> None:
    async with given.lodging(known) as lodging:
        before = lodging.clock.now()
        assert await lodging.deed("nap") == "True"
        assert lodging.clock.now() - before == timedelta(seconds=30)


async def test_a_call_that_nobody_waits_for_is_stopped_and_the_next_one_served(known: Known) -> None:
    async with given.lodging(known) as lodging:
        pid = known[0].running().pid
        for _ in range(3):
            call = asyncio.create_task(lodging.deed("silence"))
            await asyncio.sleep(0.02)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert await lodging.connector.test(lodging.session) == Account("1")
        assert known[0].running().pid == pid


def test_PL_05_who_signs_by_code_is_refused_by_name(tmp_path: Path) -> None:
    folder = given.written("signs_by_code", tmp_path)
    facts = (folder / "manifest.toml").read_text().replace(given.SERVICE, "")
    (folder / "manifest.toml").write_text(facts)
    with pytest.raises(Unready, match=r"'signs_by_code' .* it signs by code"):
        facts_of(read(folder / "manifest.toml"))


@pytest.mark.parametrize("line", ["import socket; socket.socket()", "raise SystemExit"])
def test_PL_05_what_fails_while_it_is_loaded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    folder = given.hostile(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (folder / "__init__.py").write_text(line)
    with pytest.raises(Unready, match=r"cannot run in a process of its own: (PermissionError|its process)"):
        Cell(Lodger(given.LODGED, given.LODGED, folder), given.settings()).running()


def test_PL_05_walls_that_are_demanded_and_missing_refuse_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter of a machine that knows no kernel walls: it says so, and is sent away."""
    stranger = tmp_path / "python"
    stranger.write_text(
        f"#!{sys.executable}\nimport os, struct, sys\n"
        "import msgspec\n"
        "body = msgspec.msgpack.encode(['Standing', ['language']])\n"
        "os.write(int(sys.argv[6 + 1]), struct.pack('>I', len(body)) + body)\n"
        "os.read(int(sys.argv[6 + 1]), 1 << 20)\n"
    )
    stranger.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(stranger))
    cell = Cell(Lodger("far_shop", "far_shop", tmp_path), given.settings(walls="kernel"))
    with pytest.raises(WallsMissing, match="these walls only: language"):
        cell.running()


async def test_the_process_ends_with_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    with given.lodged(tmp_path, given.settings()) as lodged:
        pid = lodged[0].running().pid
        async with given.lodging(lodged) as lodging:
            call = asyncio.create_task(lodging.deed("silence"))
            await asyncio.sleep(0.05)
            lodged[0].close()
            with pytest.raises(Crashed):
                await call
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Crashed, match="ended with the platform"):
        lodged[1].map_listing(RawRecord("1", b"{}"), Account("1"))
    async with given.lodging(lodged) as lodging:
        with pytest.raises(Crashed, match="ended with the platform"):
            await lodging.deed("environment")


def test_signing_in_stays_here(known: Known) -> None:
    """Its answers hold tokens, so nothing of them is judged there."""
    assert not set(known[0].running().ready.abilities) & {"consent_url", "exchange", "refresh", "revoke", "attach"}


def test_PL_05_a_name_that_nothing_answers_to_is_refused() -> None:
    """Else a slip in the version would have the connector run in our process."""
    for names in (["far-shop==1.2"], ["*", "far-shop==1.2@sha256:00"]):
        cells = Cells(given.settings(connectors=tuple(names)))
        assert cells.keeps("far-shop==1.2")
        with pytest.raises(Unready, match=r"is called far-shop==1\.2\."):
            cells.check()
    Cells(given.settings()).check()
