"""Many calls as one, and what stands in when the far side is gone."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from isthmus.client import (
    ApiClient,
    BreakerOpen,
    BreakerRule,
    ClientError,
    Loader,
    Missing,
    PlatformFailed,
    Request,
    Response,
    Retry,
)

Replies = Callable[..., bytes]
ONCE = Retry(max_attempts=1)


async def test_identical_gets_in_flight_become_one(far_side: Any, respond: Replies) -> None:
    async def slow(seen: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(respond(body=b'{"a":1}'))

    far_side.answer("/x", slow)
    async with ApiClient(far_side.url, coalesce=True) as api:
        tasks = [asyncio.create_task(api.get("/x")) for _ in range(20)]
        other = asyncio.create_task(api.get("/y"))
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        responses = await asyncio.gather(*tasks[1:])
        await other
        assert all(one.body == {"a": 1} for one in responses)
        assert len({id(one) for one in responses}) == 19
        assert far_side.paths().count("/x") == 1
        await api.get("/x")
    assert far_side.paths().count("/x") == 2


async def test_a_call_nobody_waits_for_any_more_is_cancelled(far_side: Any) -> None:
    async def never(seen: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(10)

    far_side.answer("/x", never)
    async with ApiClient(far_side.url, coalesce=True) as api:
        tasks = [asyncio.create_task(api.get("/x")) for _ in range(3)]
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "isthmus-coalesced"]


async def test_a_batch_has_partial_results_and_one_bound(far_side: Any, respond: Replies) -> None:
    running = most = 0

    async def counted(seen: object, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1
        writer.write(respond())

    far_side.answer("/ok", counted)
    far_side.answer("/gone", respond(404))
    async with ApiClient(far_side.url, retry=ONCE) as api:
        batch = api.batch(concurrency=4)
        for number in range(20):
            batch.get("/gone" if number == 7 else "/ok")
        results = await batch.run()
    assert isinstance(results[7], Missing)
    assert sum(isinstance(one, Response) for one in results) == 19
    assert most == 4


async def test_reads_by_id_become_few_bulk_reads() -> None:
    asked: list[list[int]] = []

    async def fetch(keys: list[int]) -> dict[int, str]:
        asked.append(keys)
        await asyncio.sleep(0)
        return {key: str(key) for key in keys if key != 13}

    loader = Loader(fetch, max_batch=10)
    found = await asyncio.gather(*(loader.load(key) for key in [*range(25), 3, 4]), return_exceptions=True)
    assert [len(keys) for keys in asked] == [10, 10, 7]
    assert isinstance(found[13], Missing)
    assert found[12] == "12"


async def test_a_bulk_read_that_fails_fails_all_that_wait() -> None:
    async def fetch(keys: list[int]) -> dict[int, str]:
        raise PlatformFailed(f"no answer for {len(keys)}", status=500)

    loader = Loader(fetch)
    found = await asyncio.gather(loader.load(1), loader.load(2), return_exceptions=True)
    assert all(isinstance(one, PlatformFailed) for one in found)


async def test_other_bases_then_the_function_stand_in_once_the_breaker_is_open(far_side: Any, respond: Replies) -> None:
    server = await asyncio.start_server(far_side.serve, "127.0.0.1", 0)
    second = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mirror"
    far_side.answer("/api/x", respond(500))
    far_side.answer("/mirror/x", respond(body=b'"mirror"'), respond(body=b'"mirror"'), respond(500))

    async def last(request: Request, error: ClientError) -> Response:
        assert isinstance(error, BreakerOpen)
        return Response(200, {"Content-Type": "application/json"}, b'"kept"', request)

    rule = BreakerRule(consecutive=2)
    far_base = far_side.url.replace("127.0.0.1", "localhost") + "/api"
    async with ApiClient(far_base, breaker=rule, retry=ONCE, fallbacks=[second], fallback=last) as api:
        for _ in range(2):
            with pytest.raises(PlatformFailed):
                await api.get("/x")
        for _ in range(2):
            response = await api.get("/x")
            assert (response.body, response.fallback) == ("mirror", True)
        for _ in range(2):
            with pytest.raises(PlatformFailed):
                await api.get("/x")
        response = await api.get("/x")
        assert (response.body, response.fallback) == ("kept", True)
    far_side.drop()
    server.close()
    await server.wait_closed()
