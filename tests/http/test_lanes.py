"""What one tenant asks for in bulk waits in its own line, behind what is light (security.md RL-08, RL-12)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest
from fastapi import Query
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse
from tests.http.conftest import Lab, MakeLab

from isthmus.http import HttpSettings, Routes, Wire, document
from isthmus.http.errors import CannotStart, HeavyRequestsWait
from isthmus.http.lanes import Lanes
from isthmus.kit.permissions import USER, permission

USE = permission("lanes:use", "use it", USER)
#: Nobody reaches these by accident, however slow the machine is.
_NEVER = {"heavy_patience": 3600.0, "heavy_seconds": 3600.0}


def lanes(processors: int = 4, **settings: Any) -> Lanes:
    return Lanes(HttpSettings(**(_NEVER | settings)), processors)


class Desk:
    """Heavy requests that note when they begin, and end when they are told to."""

    def __init__(self, made: Lanes) -> None:
        self.lanes = made
        self.begun: list[str] = []
        self.at_work: set[str] = set()
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def _one(self, name: str) -> None:
        async with self.lanes.turn("list", name[0]):
            self.begun.append(name)
            self.at_work.add(name)
            try:
                await self._ends[name].wait()
            finally:
                self.at_work.discard(name)

    async def ask(self, *names: str) -> None:
        """Names begin with their tenant's letter."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._one(name))
        await settled()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
        await settled()

    async def hang_up(self, name: str) -> None:
        self.tasks[name].cancel()
        await settled()

    async def finish(self) -> None:
        for end in self._ends.values():
            end.set()
        self.lanes.light = 0
        self.lanes.go_on()
        async with asyncio.timeout(10):
            await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        assert (self.lanes.waiting, self.at_work) == (0, set())


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool], pause: float = 0.001) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(pause)
    pytest.fail("it did not come to that")


async def test_RL_12_a_tenant_has_few_heavy_requests_at_once_and_the_others_wait_in_its_own_line() -> None:
    desk = Desk(lanes())
    await desk.ask("a1", "a2", "a3", "a4", "b1")
    assert desk.begun == ["a1", "a2", "b1"]
    await desk.end("a2")
    assert desk.begun == ["a1", "a2", "b1", "a3"]
    await desk.finish()
    assert desk.begun == ["a1", "a2", "b1", "a3", "a4"]


@pytest.mark.parametrize(("processors", "at_once"), [(1, 1), (2, 1), (3, 1), (4, 2), (64, 2)])
async def test_RL_12_what_the_database_works_for_takes_half_of_the_processors_of_one_tenant(
    processors: int, at_once: int
) -> None:
    desk = Desk(lanes(processors))
    await desk.ask("a1", "a2", "a3", "b1")
    assert desk.begun == [*["a1", "a2"][:at_once], "b1"]
    await desk.finish()
    own = Desk(lanes(processors, heavy={"list": 3}))
    await own.ask("a1", "a2", "a3", "a4")
    assert own.begun == ["a1", "a2", "a3"], "what an operator says holds"
    await own.finish()


async def test_RL_12_tenants_have_their_turns_however_long_the_line_of_one_is() -> None:
    desk = Desk(lanes(heavy={"list": 1}, heavy_factor=1))
    await desk.ask("a1", "a2", "a3", "a4", "b1", "c1", "b2")
    for name in ("a1", "a2", "b1", "c1"):
        await desk.end(name)
    assert desk.begun == ["a1", "a2", "b1", "c1", "a3"]
    await desk.finish()


async def test_RL_12_all_tenants_together_have_a_bound_too() -> None:
    desk = Desk(lanes(heavy={"list": 2}, heavy_factor=2))
    await desk.ask("a1", "a2", "b1", "b2", "c1", "d1")
    assert desk.begun == ["a1", "a2", "b1", "b2"]
    await desk.end("a1")
    assert desk.begun[4:] == ["c1"]
    await desk.finish()


async def test_RL_08_light_requests_go_before_heavy_ones() -> None:
    desk = Desk(lanes(heavy={"list": 1}))
    desk.lanes.light = 1
    await desk.ask("a1", "b1")
    assert desk.begun == []
    desk.lanes.light = 0
    desk.lanes.go_on()
    await settled()
    assert desk.begun == ["a1", "b1"]
    desk.lanes.light = 1
    await desk.ask("a2")
    await desk.end("a1", "b1")
    assert desk.begun == ["a1", "b1"]
    await desk.finish()


async def test_RL_08_a_light_request_that_came_meanwhile_goes_before_the_next_heavy_one() -> None:
    desk = Desk(lanes(heavy={"list": 1}))
    await desk.ask("a1", "a2")
    desk._ends["a1"].set()
    asyncio.get_running_loop().call_soon(setattr, desk.lanes, "light", 1)
    await settled()
    assert (desk.begun, desk.at_work) == (["a1"], set())
    await desk.finish()


async def test_RL_08_light_requests_without_end_do_not_starve_heavy_ones() -> None:
    desk = Desk(lanes(heavy_patience=0.001))
    desk.lanes.light = 1
    await desk.ask("a1", "a2", "b1")
    await until(lambda: len(desk.begun) == 3)
    await desk.finish()


async def test_RL_12_a_full_line_refuses_and_says_when_to_come_back() -> None:
    desk = Desk(lanes(heavy={"list": 1}, heavy_waiting=2))
    await desk.ask("a1", "a2", "a3", "a4", "b1")
    assert isinstance(desk.tasks["a4"].exception(), HeavyRequestsWait)
    assert desk.begun == ["a1", "b1"]
    await desk.finish()
    assert desk.begun == ["a1", "b1", "a2", "a3"]


async def test_RL_12_who_waits_too_long_is_told_so_and_leaves_the_line() -> None:
    made = Lanes(HttpSettings(heavy={"list": 1}, heavy_seconds=0.01))
    async with made.turn("list", "a"):
        with pytest.raises(HeavyRequestsWait, match="waited too long"):
            async with made.turn("list", "a"):
                pytest.fail("it has a turn that nobody left")
    assert made.waiting == 0
    async with made.turn("list", "a"):
        pass


async def test_RL_12_a_caller_that_hangs_up_leaves_the_line() -> None:
    desk = Desk(lanes(heavy={"list": 1}))
    await desk.ask("a1", "a2", "a3")
    await desk.hang_up("a2")
    assert desk.lanes.waiting == 1
    await desk.end("a1")
    assert desk.begun == ["a1", "a3"]
    await desk.finish()


async def test_RL_12_a_turn_that_comes_as_its_caller_hangs_up_goes_to_the_next() -> None:
    desk = Desk(lanes(heavy={"list": 1}))
    await desk.ask("a1", "a2", "a3")
    desk._ends["a1"].set()
    await until(lambda: desk.lanes.waiting == 1, pause=0)
    desk.tasks["a2"].cancel()
    await settled()
    assert desk.begun == ["a1", "a3"]
    await desk.finish()


async def test_RL_12_who_has_hung_up_and_still_stands_in_the_line_is_passed_over() -> None:
    desk = Desk(lanes(heavy={"list": 1}))
    await desk.ask("a1", "a2", "a3")
    desk.lanes.light = 1
    await desk.end("a1")
    desk.tasks["a2"].cancel()
    desk.lanes._insist()  # the timer's moment, before the task of a2 has run once more
    await settled()
    assert desk.begun == ["a1", "a3"]
    await desk.end("a3")
    await desk.ask("a4")
    desk.lanes._insist()
    await settled()
    assert desk.begun == ["a1", "a3", "a4"]
    await desk.finish()


_STEP = st.tuples(st.sampled_from(("ask", "end", "hang_up", "light", "dark")), st.sampled_from("abc"))


@given(steps=st.lists(_STEP, max_size=40))
def test_RL_12_whatever_happens_the_bounds_hold_and_nobody_is_forgotten(steps: list[tuple[str, str]]) -> None:
    async def run() -> None:
        desk = Desk(lanes(heavy={"list": 2}, heavy_factor=2, heavy_waiting=3))
        for number, (step, tenant) in enumerate(steps):
            mine = [name for name, task in desk.tasks.items() if name[0] == tenant and not task.done()]
            if step == "ask":
                await desk.ask(f"{tenant}{number}")
            elif step in {"light", "dark"}:
                desk.lanes.light = int(step == "light")
                if step == "dark":
                    desk.lanes.go_on()
                    await settled()
            elif mine:
                await (desk.end(mine[0]) if step == "end" else desk.hang_up(mine[-1]))
            going = [sum(name[0] == each for name in desk.at_work) for each in "abc"]
            assert max(going) <= 2
            assert sum(going) <= 4
        await desk.finish()
        begun = {name for name, task in desk.tasks.items() if not task.cancelled() and task.exception() is None}
        assert begun <= set(desk.begun)

    asyncio.run(run())


def test_a_class_that_does_not_exist_stops_the_start() -> None:
    for wrong in ({"lists": 2}, {"list": 0}):
        with pytest.raises(CannotStart, match=r"http\.heavy"):
            lanes(heavy=wrong)


class Asked(Wire):
    what: str


class Works:
    """Routes whose answers wait for `go`."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun: list[str] = []
        self.routes = Routes(prefix="/api/lanes", tag="Lanes")

        @self.routes.get("/all", permission=USE, limit="other", response_model=None, summary="All")
        async def listed(search: Annotated[str | None, Query()] = None) -> Any:
            self.begun.append(search or "everything")
            if search:
                await self.go.wait()
            return document({"search": search})

        @self.routes.post("/find", permission=USE, limit="other", heavy="list", response_model=None, summary="Find")
        async def find(body: Asked) -> Any:
            self.begun.append(body.what)
            await self.go.wait()
            return document({"what": body.what})

        @self.routes.get(
            "/file",
            permission=USE,
            limit="other",
            heavy="export",
            response_model=None,
            summary="File",
            media_type="text/csv",
        )
        async def file() -> Any:
            return StreamingResponse(self._pieces(), media_type="text/csv")

    async def _pieces(self) -> AsyncIterator[bytes]:
        for number in range(3):
            self.begun.append(f"piece {number}")
            yield b"%d\n" % number

    async def until(self, *begun: str) -> None:
        await until(lambda: self.begun == list(begun))


def _asked(here: Lab, path: str, tenant: str = "ten_a") -> "asyncio.Task[Any]":
    return asyncio.create_task(here.call("GET", path, headers=here.signed(tenant=tenant)))


async def test_RL_05_so_many_exports_of_a_tenant_are_written_and_wait_and_the_next_is_refused_for_it_alone() -> None:
    made = lanes(heavy={"export": 2}, heavy_waiting=1)
    async with made.turn("export", "ten_a"), made.turn("export", "ten_a"):
        assert made.counts("export") == {"ten_a": 2}
        waiting = asyncio.create_task(made.take("export", "ten_a", patient=False))
        await settled()
        with pytest.raises(HeavyRequestsWait) as refused:
            await made.take("export", "ten_a", patient=False)
        assert refused.value.status == 429
        async with made.turn("export", "ten_b"):
            assert made.counts("export") == {"ten_a": 2, "ten_b": 1}
    await waiting
    made.leave("export", "ten_a")
    assert made.counts("export") == {}


async def test_RL_12_searches_over_http_wait_their_turn_and_what_is_light_passes_them(lab: MakeLab) -> None:
    works = Works()
    here = lab(works.routes, settings=_NEVER | {"heavy": {"list": 1}, "heavy_waiting": 1})
    first = _asked(here, "/api/lanes/all?search=x")
    await works.until("x")
    second = _asked(here, "/api/lanes/all?search=y")
    await settled()
    refused = await _asked(here, "/api/lanes/all?search=z")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "HEAVY_REQUESTS_WAIT")
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["x-ratelimit-remaining"]
    light = await _asked(here, "/api/lanes/all")
    other = _asked(here, "/api/lanes/all?search=b", tenant="ten_b")
    assert light.json() == {"search": None}
    await works.until("x", "everything", "b")
    works.go.set()
    assert [(await one).status_code for one in (first, second, other)] == [200, 200, 200]
    assert works.begun == ["x", "everything", "b", "y"]


async def test_RL_12_a_caller_that_hangs_up_while_it_waits_never_begins(lab: MakeLab) -> None:
    works = Works()
    here = lab(works.routes, settings=_NEVER | {"heavy": {"list": 1}})
    first = _asked(here, "/api/lanes/all?search=x")
    await works.until("x")
    second = _asked(here, "/api/lanes/all?search=y")
    await settled()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    works.go.set()
    assert (await first).status_code == 200
    assert (await _asked(here, "/api/lanes/all?search=z")).status_code == 200
    assert works.begun == ["x", "z"]


async def test_RL_12_a_body_that_comes_slowly_holds_no_turn(lab: MakeLab) -> None:
    works = Works()
    here = lab(works.routes, settings=_NEVER | {"heavy": {"list": 1}, "heavy_factor": 1})
    rest = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b'{"what":'
        await rest.wait()
        yield b'"slow"}'

    headers = here.signed() | {"content-type": "application/json", "transfer-encoding": "chunked"}
    dripping = asyncio.create_task(here.call("POST", "/api/lanes/find", content=slow(), headers=headers))
    await settled()
    works.go.set()
    found = await here.call("POST", "/api/lanes/find", json={"what": "quick"}, headers=here.signed(tenant="ten_b"))
    assert found.status_code == 200
    rest.set()
    assert (await dripping).json() == {"what": "slow"}
    assert works.begun == ["quick", "slow"]


async def test_RL_08_a_file_is_written_piece_by_piece_and_holds_no_turn_while_it_is_read(lab: MakeLab) -> None:
    works = Works()
    made = Lanes(HttpSettings(heavy={"export": 1}, heavy_factor=1))
    answers = [StreamingResponse(works._pieces()) for _ in range(2)]
    for answer in answers:
        await made.paced("export", "a", answer)
    readers = [aiter(answer.body_iterator) for answer in answers]
    read = [[await anext(one) for one in readers] for _ in range(3)]
    assert read == [[b"%d\n" % number] * 2 for number in range(3)]
    assert [await anext(one, None) for one in readers] == [None, None]
    here = lab(works.routes)
    assert (await _asked(here, "/api/lanes/file")).text == "0\n1\n2\n"


async def test_RL_08_an_empty_file_is_empty() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        for piece in list[bytes]():
            yield piece

    answer = StreamingResponse(nothing())
    await lanes().paced("export", "a", answer)
    assert [piece async for piece in answer.body_iterator] == []


async def test_RL_12_what_is_heavy_lets_light_requests_by_midway_too() -> None:
    made = lanes()
    made.light = 1
    going = [asyncio.create_task(made.stand_back()) for _ in range(3)]
    await settled()
    assert (made.waiting, [one.done() for one in going]) == (3, [False] * 3)
    going[1].cancel()
    await settled()
    assert made.waiting == 2
    made.light = 0
    made.go_on()
    await asyncio.gather(going[0], going[2])
    assert made.waiting == 0
    await made.stand_back()  # at once, where nobody is to be let by


async def test_RL_12_what_stands_back_midway_goes_on_after_a_while_whoever_is_under_way() -> None:
    made = Lanes(HttpSettings(heavy_patience=0.01))
    made.light = 1
    async with asyncio.timeout(30):
        await asyncio.gather(*(made.stand_back() for _ in range(3)))
    assert (made.light, made.waiting) == (1, 0)


async def test_RL_12_what_goes_on_midway_goes_before_what_has_not_begun() -> None:
    made, order = lanes(), list[str]()
    made.light = 1

    async def begin() -> None:
        async with made.turn("list", "a"):
            order.append("begins")

    async def go_on() -> None:
        await made.stand_back()
        order.append("goes on")

    every = [asyncio.create_task(begin()), asyncio.create_task(go_on())]
    await settled()
    made.light = 0
    made.go_on()
    await asyncio.gather(*every)
    assert order == ["goes on", "begins"]
