"""Declared endpoints: rendered safely, walked, judged by their own rules, read incrementally with look-back."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.client import APIEndpoint, Bearer, InvalidRequest, Misconfigured, RestConnector, Retry
from isthmus.client.paths import dig
from isthmus.client.rest import cursor as cursors
from isthmus.client.rest.endpoint import DatetimeBasedCursor
from isthmus.kit.clock import ManualClock

Replies = Callable[..., bytes]
QUICK = Retry(initial_delay=0.001, max_delay=0.001)
ORDERS = {
    "id": "orders",
    "name": "Orders",
    "method": "GET",
    "path": "/shops/{shop}/orders",
    "params": [{"name": "shop", "where": "path"}, {"name": "status", "value": "open"}],
    "record_path": "data.orders",
    "pagination": {"type": "CursorPagination", "cursor_path": "data.next"},
    "response_filters": [
        {"http_codes": [200], "code_path": "error", "codes": ["busy"], "action": "RETRY"},
        {
            "http_codes": [200],
            "code_path": "error",
            "action": "FAIL",
            "kind": "configuration",
            "message_path": "message",
        },
        {"http_codes": [404], "action": "IGNORE"},
    ],
    "call_rate": {"max_requests": 100},
}


def body(value: object) -> bytes:
    return msgspec.json.encode(value)


async def test_an_endpoint_is_walked_as_declared(far_side: Any, respond: Replies) -> None:
    far_side.answer(
        "/shops/a%2Fb/orders",
        respond(body=body({"data": {"orders": [{"id": 1}], "next": "n1"}})),
        respond(body=body({"error": "busy"})),
        respond(body=body({"data": {"orders": [{"id": 2}], "next": ""}})),
    )
    async with RestConnector(far_side.url, [ORDERS], auth=Bearer("s"), retry=QUICK) as api:
        found = [record async for record in api.read("orders", shop="a/b")]
    assert found == [{"id": 1}, {"id": 2}]
    assert far_side.paths()[1:] == ["/shops/a%2Fb/orders?status=open&cursor=n1"] * 2
    assert far_side.seen[0].headers["authorization"] == "Bearer s"


async def test_error_rules_decide_in_order(far_side: Any, respond: Replies) -> None:
    far_side.answer("/shops/1/orders", respond(body=body({"error": "no_app", "message": "not installed"})))
    far_side.answer("/shops/2/orders", respond(404, body=b"{}"))
    async with RestConnector(far_side.url, [ORDERS], retry=QUICK) as api:
        with pytest.raises(Misconfigured) as caught:
            _ = [record async for record in api.read("orders", shop=1)]
        assert (caught.value.code, caught.value.message) == ("no_app", "not installed")
        assert [record async for record in api.read("orders", shop=2)] == []


async def test_a_single_call_sends_its_body_and_refuses_what_does_not_fit(far_side: Any) -> None:
    endpoint = {
        "id": "create",
        "method": "POST",
        "path": "/users",
        "params": [
            {"name": "mail", "where": "body", "field": "contact.mail", "required": True},
            {"name": "version", "where": "header", "field": "X-Version", "value": 2},
        ],
    }
    async with RestConnector(far_side.url, [endpoint]) as api:
        await api.call("create", mail="a@b.test")
        for params in ({}, {"mail": "x", "other": 1}):
            with pytest.raises(InvalidRequest):
                await api.call("create", **params)
    assert far_side.seen[0].body == b'{"contact":{"mail":"a@b.test"}}'
    assert far_side.seen[0].headers["x-version"] == "2"


@pytest.mark.parametrize("value", ["..", ".", "", None])
async def test_IN_03_a_path_parameter_cannot_climb(far_side: Any, value: object) -> None:
    async with RestConnector(far_side.url, [ORDERS]) as api:
        with pytest.raises(InvalidRequest):
            await api.call("orders", shop=value)
    assert not far_side.seen


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("../admin", "..%2Fadmin"),
        ("x?y", "x%3Fy"),
        ("x#", "x%23"),
        ("@evil.test", "%40evil.test"),
        ("%2e%2e", "%252e%252e"),
        ("//evil.test", "%2F%2Fevil.test"),
        ("a\\b", "a%5Cb"),
        ("x\r\nY: 1", "x%0D%0AY%3A%201"),
        ("http://evil.test/", "http%3A%2F%2Fevil.test%2F"),
    ],
)
async def test_IN_03_a_path_value_fills_one_segment_and_no_more(
    far_side: Any, respond: Replies, value: str, segment: str
) -> None:
    far_side.fallback = respond(body=b'{"data":{"orders":[]}}')
    async with RestConnector(far_side.url, [ORDERS]) as api:
        await api.call("orders", shop=value)
    (seen,) = far_side.seen
    assert seen.target == f"/shops/{segment}/orders?status=open"
    assert seen.headers["host"] == far_side.url.removeprefix("http://").strip("/")


def test_a_wrong_declaration_names_the_place() -> None:
    with pytest.raises(ValueError, match="pagination"):
        APIEndpoint.of({"id": "x", "path": "/", "pagination": {"type": "Nonsense"}})
    with pytest.raises(ValueError, match="unknown field"):
        APIEndpoint.of({"id": "x", "path": "/", "recordpath": "a"})


async def test_incremental_reading_looks_back_and_keeps_its_state(far_side: Any, respond: Replies) -> None:
    rows = [{"id": n, "at": f"2026-01-01T0{n}:00:00+00:00"} for n in range(1, 6)]

    async def answer(seen: Any, writer: asyncio.StreamWriter) -> None:
        query = dict(part.split("=") for part in seen.target.partition("?")[2].split("&"))
        since = query["since"].replace("%3A", ":").replace("%2B", "+")
        writer.write(respond(body=body([row for row in rows if str(row["at"]) >= since])))

    far_side.answer("/changes", answer)
    clock = ManualClock(datetime(2026, 1, 1, 6, tzinfo=UTC))
    endpoint = {
        "id": "changes",
        "path": "/changes",
        "incremental": {
            "cursor_field": "at",
            "start_datetime": "2026-01-01T00:00:00+00:00",
            "start_field": "since",
            "lookback_window": 3600,
        },
    }
    async with RestConnector(far_side.url, [endpoint], clock=clock) as api:
        assert len([record async for record in api.read("changes")]) == 5
        assert api.state == {"changes": "2026-01-01T05:00:00+00:00"}
        again = [dig(record, "id") async for record in api.read("changes")]
    assert again == [4, 5]


@settings(deadline=None)
@given(
    step=st.one_of(st.none(), st.floats(60, 100_000)),
    lookback=st.floats(0, 10_000),
    grain=st.sampled_from([0.0, 1.0]),
    back=st.integers(0, 100_000),
)
def test_windows_cover_everything_from_the_state_to_now(
    step: float | None, lookback: float, grain: float, back: int
) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    cursor = DatetimeBasedCursor(
        cursor_field="at",
        start_datetime="2025-01-01T00:00:00+00:00",
        step=step,
        lookback_window=lookback,
        cursor_granularity=grain,
    )
    state = now - timedelta(seconds=back)
    made = list(cursors.windows(cursor, state.isoformat(), now))
    assert made[0].start == state - timedelta(seconds=lookback)
    assert made[-1].end == now
    for before, after in itertools.pairwise(made):
        assert after.start - before.end == timedelta(seconds=grain)


@pytest.mark.parametrize("form", ["iso", "epoch", "epoch_ms", "%Y-%m-%d %H:%M:%S"])
def test_times_are_written_and_read_alike(form: str) -> None:
    cursor = DatetimeBasedCursor(cursor_field="at", start_field="a", end_field="b", datetime_format=form)
    moment = datetime(2026, 1, 1, 8, 30, tzinfo=UTC)
    written = cursors.parameters(cursor, cursors.Window(moment, moment))["a"]
    assert cursors.reached(cursor, {"at": written}) == moment
    wrong: list[object] = [None, True, "soon", 1e20, -5, []]
    for nonsense in wrong:
        assert cursors.reached(cursor, {"at": nonsense}) is None
