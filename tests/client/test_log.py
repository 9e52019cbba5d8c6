"""What is told about calls: everything that matters, nothing that is secret, never too much."""

import asyncio
import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.client import (
    ApiClient,
    ApiKey,
    BreakerRule,
    CallLog,
    ClientError,
    PlatformFailed,
    Retry,
    Telemetry,
    redact,
    telemetry,
)
from isthmus.client.url import parse

Replies = Callable[..., bytes]
QUICK = Retry(initial_delay=0.001, max_delay=0.001)
CANARY = "canary7f3a9c51d2e84b60canary"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        f"token={CANARY}",
        f'"password": "{CANARY}"',
        f"Authorization: Bearer {CANARY}",
        f"https://user:{CANARY}@host/",
        JWT,
        "isk_live_0123456789abcdef",
        "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----",
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w",
        f"client_secret={CANARY}&grant_type=x",
        f"refused: token={CANARY}",
    ],
)
def test_LO_04_secrets_are_hidden_by_name_and_by_shape(text: str) -> None:
    shown = redact.text(text)
    assert CANARY not in shown
    assert redact.HIDDEN in shown
    assert "0123456789" not in shown


def test_LO_04_urls_headers_and_bodies_hide_what_they_must() -> None:
    url = parse(f"https://a.test/hooks/whk12345{CANARY}?page=2&access_token={CANARY}&sign={CANARY}&x={JWT}")
    assert CANARY not in redact.url(url)
    assert "page=2" in redact.url(url)
    headers = redact.headers({"X-Api-Key": CANARY, "Cookie": CANARY, "Set-Cookie": CANARY, "Accept": "text/html"})
    assert headers == {"X-Api-Key": "***", "Cookie": "***", "Set-Cookie": "***", "Accept": "text/html"}
    body = json.dumps({"user": {"refresh_token": CANARY, "name": "Ann"}, "list": [{"card": CANARY}]}).encode()
    shown = redact.body(body, "application/json")
    assert CANARY not in shown
    assert "Ann" in shown
    assert CANARY not in redact.body(f"a=1&password={CANARY}".encode(), "application/x-www-form-urlencoded")
    assert redact.body(b"\x00" * 9, "image/png") == "<9 bytes>"


@settings(deadline=None)
@given(st.text())
def test_LO_05_a_shown_text_is_one_inert_line(text: str) -> None:
    shown = redact.text(text)
    assert not any(letter in shown for letter in "\n\r\x1b\u2028\u202e\x85")


async def test_LO_03_no_secret_of_a_call_reaches_the_log(
    far_side: Any, respond: Replies, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[tuple[int, Mapping[str, object]]] = []
    answer = respond(500, json.dumps({"error": "x", "token": CANARY}).encode(), Set_Cookie=f"s={CANARY}")
    far_side.answer("/x", answer)
    hooks = [CallLog(lambda level, line: lines.append((level, line)), bodies=True), CallLog(bodies=True)]
    with caplog.at_level(logging.DEBUG, "isthmus.client"):
        async with ApiClient(far_side.url, hooks=hooks, auth=ApiKey(CANARY, query="key"), retry=QUICK) as api:
            with pytest.raises(PlatformFailed) as caught:
                await api.put("/x", {"client_secret": CANARY}, headers={"X-Session-Token": CANARY}, route="x.put")
    assert CANARY not in str(lines) + caplog.text + str(caught.value) + repr(caught.value)
    kinds = [line["event"] for _, line in lines]
    assert kinds.count("client.attempt") == 3
    assert kinds[-1] == "client.call"
    level, last = lines[-1]
    assert level == logging.WARNING
    assert (last["attempts"], last["error"], last["status"], last["route"]) == (3, "transient", 500, "x.put")
    assert all(record.message.isascii() for record in caplog.records)


async def test_LO_03_not_even_a_traceback_shows_what_was_in_the_query(far_side: Any) -> None:
    async def garbage(seen: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        writer.close()

    far_side.answer("/x", garbage)
    async with ApiClient(far_side.url, auth=ApiKey(CANARY, query="key"), retry=QUICK) as api:
        for path in ("/x", "/x?y=\ud800"):
            with pytest.raises(ClientError) as caught:
                await api.get(path)
            assert CANARY not in "".join(traceback.format_exception(caught.value))


async def test_LO_06_lines_are_sampled_and_bounded_with_counts(far_side: Any) -> None:
    lines: list[Mapping[str, object]] = []
    sampled: list[Mapping[str, object]] = []
    hooks = [
        CallLog(lambda _, line: lines.append(line), per_minute=5),
        CallLog(lambda _, line: sampled.append(line), sample=0.5, draw=iter([0.2, 0.9] * 100).__next__),
    ]
    async with ApiClient(far_side.url, hooks=hooks) as api:
        for _ in range(20):
            await api.get("/")
    assert len(lines) in {5, 10}
    assert len(sampled) == 20


class Recorded:
    """Stands where a tracer, a meter, an instrument or a span would, and keeps what it is told."""

    def __init__(self, told: list[tuple[str, Any]], name: str = "") -> None:
        self.told, self.name = told, name

    def start_span(self, name: str, **more: Any) -> "Recorded":
        self.told.append(("span " + name, more))
        return self

    def set_status(self, status: Any) -> None:
        self.told.append(("status", status))

    def end(self, end_time: int) -> None:
        self.told.append(("end", end_time))

    def create_histogram(self, name: str, *_: str) -> "Recorded":
        return Recorded(self.told, name)

    create_counter = create_histogram

    def record(self, value: float, attributes: Any) -> None:
        self.told.append((self.name, (value, attributes)))

    add = record


async def test_spans_and_metrics_tell_of_attempts_calls_waits_and_breakers(far_side: Any, respond: Replies) -> None:
    told: list[tuple[str, Any]] = []
    tracer: Any = Recorded(told)
    far_side.answer("/x", respond(500))
    breaker = BreakerRule(consecutive=2)
    async with ApiClient(far_side.url, hooks=[Telemetry(tracer, tracer)], retry=QUICK, breaker=breaker) as api:
        with pytest.raises(PlatformFailed):
            await api.get("/x", query={"token": CANARY}, deadline=5)
    names = [name for name, _ in told]
    assert names.count("span GET") == names.count("http.client.request.duration") >= 2
    assert "span call 127.0.0.1" in names
    assert "isthmus.client.wait.duration" in names
    assert ("isthmus.client.breaker.changes", (1, {"circuit": "127.0.0.1", "to": "open"})) in told
    assert CANARY not in str(told)


def test_telemetry_costs_nothing_until_it_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert telemetry.active() == ()
    import opentelemetry.metrics  # noqa: PLC0415 - what a program that configures it has done
    import opentelemetry.trace  # noqa: PLC0415

    assert telemetry.active() == ()

    class Provider(opentelemetry.trace.TracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            return Recorded([])

    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", Provider())
    assert [type(hook) for hook in telemetry.active()] == [Telemetry]
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    assert telemetry.active() == ()
