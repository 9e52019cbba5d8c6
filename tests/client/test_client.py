"""The first promises: a call in three lines, typed replies, one deadline, safe retries, errors that say what to do."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from isthmus.client import (
    NEVER,
    AioTransport,
    ApiClient,
    CallEnded,
    CallerMistake,
    ConnectFailed,
    DeadlineExceeded,
    Disconnected,
    Failure,
    InvalidRequest,
    MalformedBody,
    Missing,
    PlatformFailed,
    RateLimit,
    Refused,
    Response,
    Retry,
    Throttled,
    TooLarge,
    Withdrawn,
    calls_forbidden,
    pipeline,
)
from isthmus.kit.clock import ManualClock

Replies = Callable[..., bytes]
QUICK = Retry(max_attempts=3, initial_delay=0.001, max_delay=0.002)


class User(msgspec.Struct):
    id: int
    name: str


async def test_a_first_call_takes_three_lines(far_side: Any, respond: Replies) -> None:
    far_side.answer("/users", respond(body=b'[{"id": 1, "name": "Ann"}]'))
    async with ApiClient(far_side.url) as api:
        users = await api.get("/users", query={"page": 1, "q": "a b", "skip": None, "tag": ["x", "y"]})
    assert users.body == [{"id": 1, "name": "Ann"}]
    assert users.decode(list[User]) == [User(1, "Ann")]
    assert users.attempts == 1
    assert users.duration > 0
    assert not users.from_cache
    assert far_side.seen[0].target == "/users?page=1&q=a%20b&tag=x&tag=y"


@pytest.mark.parametrize(
    ("options", "body", "kind"),
    [
        ({"json": {"a": 1}}, b'{"a":1}', "application/json"),
        ({"form": {"a": "b c", "d": True}}, b"a=b%20c&d=true", "application/x-www-form-urlencoded"),
        ({"content": b"\x00\x01"}, b"\x00\x01", "application/octet-stream"),
        ({"content": "text"}, b"text", "text/plain; charset=utf-8"),
    ],
)
async def test_every_kind_of_body_leaves_as_it_should(far_side: Any, options: Any, body: bytes, kind: str) -> None:
    async with ApiClient(far_side.url) as api:
        await api.request("POST", "/things", **options)
    assert far_side.seen[0].body == body
    assert far_side.seen[0].headers["content-type"] == kind


async def test_a_streamed_upload_is_sent_and_never_sent_twice(far_side: Any, respond: Replies) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    far_side.answer("/up", respond(503))
    async with ApiClient(far_side.url, retry=QUICK) as api:
        with pytest.raises(PlatformFailed) as caught:
            await api.put("/up", content=pieces())
    assert [one.body for one in far_side.seen] == [b"onetwo"]
    assert caught.value.attempts == 1


async def test_a_get_is_tried_again_and_the_caller_sees_each_attempt(far_side: Any, respond: Replies) -> None:
    far_side.answer("/flaky", respond(500), respond(503), respond(body=b'{"ok":true}'))
    async with ApiClient(far_side.url, retry=QUICK) as api:
        response = await api.get("/flaky")
    assert response.attempts == 3
    assert response.json() == {"ok": True}


async def test_a_post_is_never_sent_again_after_a_server_error(far_side: Any, respond: Replies) -> None:
    far_side.answer("/orders", respond(500))
    async with ApiClient(far_side.url, retry=QUICK) as api:
        with pytest.raises(PlatformFailed) as caught:
            await api.post("/orders", {"sku": "a"})
    assert len(far_side.seen) == 1
    assert not caught.value.retry_safe
    assert caught.value.sent


async def test_a_post_with_an_idempotency_key_is_sent_again_with_the_same_key(far_side: Any, respond: Replies) -> None:
    far_side.answer("/orders", respond(500), respond())
    async with ApiClient(far_side.url, retry=QUICK) as api:
        response = await api.post("/orders", {"sku": "a"}, idempotency_key="k-1")
    assert response.attempts == 2
    assert [one.headers["idempotency-key"] for one in far_side.seen] == ["k-1", "k-1"]


async def test_a_throttled_post_is_sent_again_because_nothing_was_done(far_side: Any, respond: Replies) -> None:
    far_side.answer("/orders", respond(429, Retry_After="7"), respond())
    clock = ManualClock()
    async with ApiClient(far_side.url, retry=QUICK, clock=clock) as api:
        response = await api.post("/orders", {"sku": "a"})
    assert response.attempts == 2
    assert 7 <= response.waited <= 8


async def test_a_wish_longer_than_the_deadline_ends_the_call_at_once(far_side: Any, respond: Replies) -> None:
    far_side.answer("/x", respond(429, Retry_After="90"))
    async with ApiClient(far_side.url, deadline=5) as api:
        with pytest.raises(Throttled) as caught:
            await api.get("/x")
    assert caught.value.retry_after == 90
    assert caught.value.retry_safe


async def test_the_far_side_s_headers_narrow_the_limit(far_side: Any, respond: Replies) -> None:
    spent = respond(**{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "20"})
    far_side.answer("/x", spent, respond())
    clock = ManualClock()
    async with ApiClient(far_side.url, clock=clock, rate_limit=RateLimit(max_requests=1000)) as api:
        assert (await api.get("/x")).waited == 0
        assert 20 <= (await api.get("/x")).waited <= 21


async def test_the_platforms_own_codes_can_be_worth_another_attempt(far_side: Any, respond: Replies) -> None:
    def judge(response: Response) -> Failure | None:
        return Failure(kind="caller", code="BUSY") if b"BUSY" in response.content else None

    far_side.answer("/x", respond(body=b'"BUSY"'), respond())
    retry = Retry(initial_delay=0.001, codes=frozenset({"BUSY"}))
    async with ApiClient(far_side.url, classify=judge, retry=retry) as api:
        assert (await api.get("/x")).attempts == 2


async def test_an_outage_is_not_multiplied_by_retries(far_side: Any, respond: Replies) -> None:
    far_side.answer("/x", respond(500))
    retry = Retry(max_attempts=5, initial_delay=0, max_delay=0, budget=0.1, burst=5)
    async with ApiClient(far_side.url, retry=retry, breaker=None) as api:
        for _ in range(50):
            with pytest.raises(PlatformFailed):
                await api.get("/x")
    assert len(far_side.seen) <= 50 + 5 + 5


async def test_the_deadline_is_total(far_side: Any) -> None:
    async def silent(seen: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    far_side.answer("/slow", silent)
    async with ApiClient(far_side.url, deadline=0.5) as api:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded) as caught:
            await api.get("/slow")
        assert time.monotonic() - started < 10  # the benchmark prints how exact it is on a quiet machine
    assert caught.value.sent
    assert caught.value.retry_safe


async def test_nothing_was_sent_when_no_connection_could_be_made() -> None:
    async with ApiClient("http://127.0.0.1:1", retry=NEVER) as api:
        with pytest.raises(ConnectFailed) as caught:
            await api.post("/x", {})
    assert not caught.value.sent
    assert caught.value.retry_safe


async def test_a_reset_after_bytes_left_is_tried_again_only_for_idempotent_calls(far_side: Any) -> None:
    async def reset(seen: object, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    far_side.answer("/x", reset)
    async with ApiClient(far_side.url, retry=QUICK) as api:
        with pytest.raises(Disconnected) as caught:
            await api.post("/x", {})
        assert len(far_side.seen) == 1
        assert caught.value.sent
        with pytest.raises(Disconnected):
            await api.get("/x")
    assert len(far_side.seen) == 4


async def test_the_platforms_own_code_and_message_are_kept(far_side: Any, respond: Replies) -> None:
    def judge(response: Response) -> Failure | None:
        envelope = response.json()
        assert isinstance(envelope, dict)
        if envelope["error"]:
            return Failure(kind="refused", code=envelope["error"], message=envelope["message"])
        return None

    far_side.answer("/x", respond(body=b'{"error": "E_SCOPE", "message": "no scope"}'))
    async with ApiClient(far_side.url, classify=judge) as api:
        with pytest.raises(Refused) as caught:
            await api.get("/x")
    assert (caught.value.code, caught.value.message, caught.value.status) == ("E_SCOPE", "no scope", 200)
    assert caught.value.kind == "refused"


@pytest.mark.parametrize(("status", "kind"), [(404, Missing), (400, CallerMistake), (403, Refused)])
async def test_final_statuses_raise_at_once(far_side: Any, respond: Replies, status: int, kind: type) -> None:
    far_side.answer("/x", respond(status))
    async with ApiClient(far_side.url, retry=QUICK) as api:
        with pytest.raises(kind):
            await api.get("/x")
    assert len(far_side.seen) == 1


async def test_a_body_over_the_cap_is_not_read(far_side: Any, respond: Replies) -> None:
    far_side.answer("/big", respond(body=b"x" * 100_000, kind="text/plain"))
    async with ApiClient(far_side.url, max_body=10_000) as api:
        with pytest.raises(TooLarge):
            await api.get("/big")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html></html>", "html"),
        (b"", "empty"),
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        (b'{"a": 1', "truncated"),
        (b'{"a": "\xff"}', "charset"),
        (b"nope", "syntax"),
        (b"[" * 65 + b"]" * 65, "too_deep"),
        (b"[" * 100_000, "too_deep"),
    ],
)
async def test_PA_12_what_is_no_json_is_named(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        Response(200, {"Content-Type": "application/json"}, body).json()
    assert caught.value.reason == reason


def test_LO_02_a_body_that_does_not_fit_is_named_by_place_and_never_echoed() -> None:
    class Shop(BaseModel):
        id: int
        name: str

    fits = Response(200, {}, b'{"id": 1, "name": "a", "more": true}')
    assert fits.decode(Shop) == Shop(id=1, name="a")
    assert fits.decode(dict[str, object])["more"] is True
    wrong = Response(200, {}, b'{"id": "verysecret", "name": "a"}')
    for model in (Shop, User):
        with pytest.raises(MalformedBody) as caught:
            wrong.decode(model)
        assert caught.value.reason == "shape"
        assert "id" in caught.value.message
        assert "verysecret" not in "".join(traceback.format_exception(caught.value))


def test_PA_01_brackets_inside_of_strings_do_not_count() -> None:
    body = msgspec.json.encode({"a": "[{" * 200, "b": ['\\"[[' * 100, "\\"]})
    assert Response(200, {}, body).json() == msgspec.json.decode(body)


async def test_no_call_leaves_while_calls_are_forbidden(far_side: Any) -> None:
    token = calls_forbidden.set("a transaction is open")
    try:
        async with ApiClient(far_side.url) as api:
            with pytest.raises(RuntimeError, match="transaction"):
                await api.get("/")
    finally:
        calls_forbidden.reset(token)
    assert not far_side.seen


async def test_credentials_stay_with_their_host(far_side: Any) -> None:
    from isthmus.client import Bearer  # noqa: PLC0415

    async with ApiClient("https://api.example.com", auth=Bearer("secret")) as api:
        with pytest.raises(InvalidRequest, match="not a host of this client"):
            await api.get(far_side.url + "/x")
    assert not far_side.seen


async def test_hooks_are_told_of_every_call(far_side: Any, respond: Replies) -> None:
    events: list[object] = []
    far_side.answer("/x", respond(500), respond())
    async with ApiClient(far_side.url, retry=QUICK, hooks=[events.append]) as api:
        await api.get("/x", route="things.list")
    assert [type(event).__name__ for event in events] == ["AttemptEnded", "Waited", "AttemptEnded", "CallEnded"]
    last = events[-1]
    assert isinstance(last, CallEnded)
    assert (last.attempts, last.route) == (2, "things.list")


async def test_a_transport_of_your_own_is_shared_and_stays_open(far_side: Any, transport: AioTransport) -> None:
    for _ in range(3):
        async with ApiClient(far_side.url, transport=transport) as api:
            await api.get("/")
    assert far_side.connections == 1


async def test_cancelling_a_call_is_not_a_deadline(far_side: Any) -> None:
    async def silent(seen: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    far_side.answer("/slow", silent)
    async with ApiClient(far_side.url) as api:
        task = asyncio.create_task(api.get("/slow"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_call_that_waited_and_may_not_leave_any_more_is_taken_back(
    far_side: Any, respond: Replies, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short form of the journey in tests/journeys/test_pushes.py."""
    monkeypatch.setattr(pipeline, "_LONG", 0.1)
    answers = iter([False, True, False])

    async def may_leave() -> bool:
        return next(answers)

    async with ApiClient(far_side.url, rate_limit=RateLimit(max_requests=1, window=0.5)) as plain:
        api = plain.vouched(may_leave)
        await api.get("/now")
        with pytest.raises(Withdrawn) as caught:
            await api.get("/late")
        assert not caught.value.sent
        assert caught.value.retry_safe
        assert (await api.get("/next")).waited == 0.0, "it has the permit of the other"
        far_side.answer("/busy", respond(429, Retry_After="1"))
        with pytest.raises(Throttled):
            await api.get("/busy")
        assert far_side.paths() == ["/now", "/next", "/busy"], "it tells why, and nothing more has left"
    with pytest.raises(StopIteration):
        next(answers)
