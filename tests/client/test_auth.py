"""Credentials as policies without I/O: rotated, signed anew for every attempt, never shown."""

import asyncio
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any

import pytest

from isthmus.client import (
    NEVER,
    ApiClient,
    ApiKey,
    Basic,
    Bearer,
    Hmac,
    Request,
    Response,
    Retry,
    Signed,
    TokenRejected,
)
from isthmus.kit.clock import ManualClock
from isthmus.kit.secret import Secret

Replies = Callable[..., bytes]


def accepts(respond: Replies, *keys: str) -> Any:
    async def answer(seen: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(respond(200 if seen.headers.get("x-api-key") in keys else 401))

    return answer


async def test_two_keys_are_valid_while_they_are_rotated(far_side: Any, respond: Replies) -> None:
    auth = ApiKey("new", "old")
    async with ApiClient(far_side.url, auth=auth, retry=NEVER) as api:
        far_side.answer("/x", accepts(respond, "old"))
        await api.get("/x")
        await api.get("/x")
        far_side.answer("/x", accepts(respond, "new"))
        await api.get("/x")
        await api.get("/x")
        far_side.answer("/x", accepts(respond))
        with pytest.raises(TokenRejected):
            await api.get("/x")
    used = [one.headers["x-api-key"] for one in far_side.seen]
    assert used[:3] == ["new", "old", "old"]
    assert used[3:6] == ["old", "new", "new"]
    assert used[6:] == ["new", "old"]
    assert ApiKey("newer", "old").identity == ApiKey("new", "old").identity


async def test_each_policy_writes_what_it_should(far_side: Any) -> None:
    for auth in (Basic("Ann", "s:e"), Bearer(Secret("t")), ApiKey("k", header="X-Key"), ApiKey("a&b", query="key")):
        async with ApiClient(far_side.url, auth=auth) as api:
            await api.get("/x")
    first, second, third, fourth = far_side.seen
    assert b64decode(first.headers["authorization"].removeprefix("Basic ")) == b"Ann:s:e"
    assert second.headers["authorization"] == "Bearer t"
    assert third.headers["x-key"] == "k"
    assert fourth.target == "/x?key=a%26b"
    with pytest.raises(ValueError, match="colon"):
        Basic("a:b", "c")


async def test_a_signature_covers_what_is_sent_and_is_made_anew_for_each_attempt(
    far_side: Any, respond: Replies
) -> None:
    clock = ManualClock()
    far_side.answer("/orders", respond(429, Retry_After="5"), respond())
    async with ApiClient(far_side.url, auth=Hmac("id", Secret("key")), clock=clock) as api:
        await api.post("/orders", {"a": 1}, query={"q": "x y"})
    stamps = []
    for seen in far_side.seen:
        stamps.append(int(seen.headers["x-timestamp"]))
        digest = hashlib.sha256(seen.body).hexdigest()
        text = "\n".join(("POST", seen.target, seen.headers["x-timestamp"], digest))
        assert seen.headers["x-signature"] == hmac.new(b"key", text.encode(), "sha256").hexdigest()
    assert stamps[1] >= stamps[0] + 5


async def test_a_function_of_one_s_own_signs_with_the_time(far_side: Any, respond: Replies) -> None:
    times: list[datetime] = []

    def sign(request: Request, now: datetime) -> Request:
        times.append(now)
        return request.with_query({"n": len(times)})

    far_side.answer("/x", respond(500), respond())
    retry = Retry(initial_delay=0.001)
    async with ApiClient(far_side.url, auth=Signed(sign, identity="a"), retry=retry) as api:
        await api.get("/x")
    assert far_side.paths() == ["/x?n=1", "/x?n=2"]
    assert times[0] < times[1]


async def test_a_login_in_steps_is_a_flow_with_a_bound(far_side: Any, respond: Replies) -> None:
    class Challenge:
        identity = "a"

        def flow(self, request: Request, now: datetime) -> Generator[Request, Response, None]:
            response = yield request.with_headers({"X-At": now.isoformat()})
            while response.status == 401:
                response = yield request.with_headers({"X-Answer": response.headers["X-Question"]})

    far_side.answer("/x", respond(401, X_Question="7"), respond())
    far_side.answer("/never", respond(401, X_Question="7"))
    async with ApiClient(far_side.url, auth=Challenge(), retry=NEVER) as api:
        assert (await api.get("/x")).ok
        assert far_side.seen[1].headers["x-answer"] == "7"
        with pytest.raises(TokenRejected):
            await api.get("/never")
    assert far_side.paths().count("/never") == 3


def test_no_policy_shows_its_secret() -> None:
    for policy in (
        ApiKey("verysecret"),
        Bearer("verysecret"),
        Basic("u", "verysecret"),
        Hmac("i", Secret("verysecret")),
    ):
        assert "verysecret" not in repr(policy) + str(vars(policy)) + policy.identity
