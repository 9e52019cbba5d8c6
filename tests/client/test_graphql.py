"""GraphQL: failures hidden in a 200 are seen, partial data is kept, cost is paid before it is due."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from isthmus.client import CallerMistake, CostMeter, GraphQL, PlatformError, PlatformFailed, RateLimited, Refused, Retry
from isthmus.kit.clock import ManualClock

Replies = Callable[..., bytes]
QUICK = Retry(initial_delay=0.001, max_delay=0.001)


def error(code: str, message: str = "no") -> dict[str, object]:
    return {"message": message, "extensions": {"code": code}}


def cost(left: float, asked: float = 100) -> dict[str, object]:
    status = {"maximumAvailable": 1000.0, "currentlyAvailable": left, "restoreRate": 50.0}
    return {"cost": {"requestedQueryCost": asked, "throttleStatus": status}}


def body(**parts: object) -> bytes:
    return msgspec.json.encode(parts)


async def test_a_query_brings_its_data(far_side: Any, respond: Replies) -> None:
    far_side.answer("/graphql", respond(body=body(data={"shop": {"id": 1}})))
    async with GraphQL(far_side.url + "/graphql") as api:
        result = await api.query("query($a: Int) { shop { id } }", {"a": 1})
    assert result.data == {"shop": {"id": 1}}
    assert not result.partial
    sent = msgspec.json.decode(far_side.seen[0].body)
    assert sent == {"query": "query($a: Int) { shop { id } }", "variables": {"a": 1}}


@pytest.mark.parametrize(("code", "kind"), [("ACCESS_DENIED", Refused), ("BAD_USER_INPUT", CallerMistake)])
async def test_errors_with_http_200_are_errors(
    far_side: Any, respond: Replies, code: str, kind: type[PlatformError]
) -> None:
    far_side.answer("/g", respond(body=body(data=None, errors=[error(code, "not yours")])))
    async with GraphQL(far_side.url + "/g", retry=QUICK) as api:
        with pytest.raises(kind) as caught:
            await api.query("{ a }")
    assert (caught.value.code, caught.value.message) == (code, "not yours")
    assert len(far_side.seen) == 1


async def test_partial_data_is_kept_with_its_errors(far_side: Any, respond: Replies) -> None:
    far_side.answer("/g", respond(body=body(data={"a": 1, "b": None}, errors=[error("NOT_FOUND")])))
    async with GraphQL(far_side.url + "/g") as api:
        result = await api.query("{ a b }")
    assert result.partial
    assert result.data["a"] == 1


async def test_a_throttle_waits_as_long_as_the_cost_needs(far_side: Any, respond: Replies) -> None:
    far_side.answer(
        "/g",
        respond(body=body(errors=[error("THROTTLED")], extensions=cost(0, 100))),
        respond(body=body(data={"a": 1}, extensions=cost(900))),
    )
    clock = ManualClock()
    async with GraphQL(far_side.url + "/g", clock=clock) as api:
        result = await api.mutate("mutation { a }")
    assert 2.0 <= result.response.waited <= 3.0


async def test_a_failing_mutation_is_not_sent_again_but_a_query_is(far_side: Any, respond: Replies) -> None:
    far_side.answer("/g", respond(body=body(errors=[error("INTERNAL_SERVER_ERROR")])))
    async with GraphQL(far_side.url + "/g", retry=QUICK) as api:
        with pytest.raises(PlatformFailed):
            await api.mutate("mutation { a }")
        assert len(far_side.seen) == 1
        with pytest.raises(PlatformFailed):
            await api.query("{ a }")
        assert len(far_side.seen) == 4


async def test_the_meter_pays_before_the_far_side_complains(far_side: Any, respond: Replies) -> None:
    far_side.answer("/g", respond(body=body(data={"a": 1}, extensions=cost(40, 140))))
    clock = ManualClock()
    async with GraphQL(far_side.url + "/g", meter=CostMeter(), clock=clock) as api:
        assert (await api.query("{ a }")).response.waited == 0
        assert (await api.query("{ a }")).response.waited == pytest.approx(2.0)
        with pytest.raises(RateLimited):
            await api.query("{ a }", deadline=1.0)


async def test_IN_08_values_leave_apart_from_the_document(far_side: Any, respond: Replies) -> None:
    far_side.answer("/g", respond(body=body(data={"a": 1})))
    document, title = "mutation Rename($title: String!) { rename(title: $title) { id } }", 'x") { id } } #'
    async with GraphQL(far_side.url + "/g") as api:
        await api.mutate(document, {"title": title})
    assert msgspec.json.decode(far_side.seen[0].body) == {"query": document, "variables": {"title": title}}
