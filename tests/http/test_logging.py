"""Log lines: whole, inert, with the request's id and without secrets (security.md LO-04, LO-05)."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.http.conftest import MakeLab

from isthmus.http import PUBLIC, Routes, document
from isthmus.http import logging as lines
from isthmus.http.asgi import REQUEST_ID

NASTY = "\x1b[2J\nforged line\u2028\u0085\u202e\u200bend"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    lines._Direct.stream = None
    root.setLevel(level)


def written(form: str, **given: Any) -> tuple[io.StringIO, logging.Logger]:
    stream = io.StringIO()
    lines.configure(form, stream=stream, **given)
    return stream, logging.getLogger("isthmus.test")


def test_a_line_is_json_with_level_time_and_request_id() -> None:
    stream, log = written("json")
    token = REQUEST_ID.set("req_1")
    log.info("hello %s", "Hoà", extra={"shop": "con_1", "count": 3})
    REQUEST_ID.reset(token)
    line = json.loads(stream.getvalue())
    assert line | {"at": ""} == {
        "at": "",
        "level": "info",
        "logger": "isthmus.test",
        "message": "hello Hoà",
        "requestId": "req_1",
        "shop": "con_1",
        "count": 3,
    }
    assert line["at"].endswith("Z")


def test_LO_05_nothing_in_a_line_moves_the_cursor_or_forges_another() -> None:
    for form in ("json", "text"):
        stream, log = written(form)
        log.warning("title %s", NASTY, extra={"title": NASTY})
        text = stream.getvalue()
        assert text.count("\n") == 1
        assert not {"\x1b", "\u2028", "\u0085", "\u202e", "\u200b"} & set(text)
    assert json.loads(written_json(NASTY))["title"] == NASTY


def written_json(value: str) -> str:
    stream, log = written("json")
    log.info("x", extra={"title": value})
    text = stream.getvalue()
    assert text.isascii()
    return text


def test_LO_04_secrets_are_hidden_by_name_and_shape_in_messages_extras_and_traces() -> None:
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    for form in ("json", "text"):
        stream, log = written(form)
        log.info("called https://api.example.com/x?access_token=s3cr3t&page=2 with Bearer abcdef123456")
        log.info("nested", extra={"body": {"refreshToken": "s3cr3t", "list": [{"password": "s3cr3t"}], "page": 2}})
        log.info("key", extra={"partner_key": "s3cr3t", "jwt_text": jwt})
        failure = ValueError(f"bad token {jwt} at postgresql://user:s3cr3t@db/x")
        log.error("failed", exc_info=failure)
        text = stream.getvalue()
        assert "s3cr3t" not in text
        assert jwt not in text
        assert "abcdef123456" not in text
        assert "page=2" in text


def test_LO_07_a_trace_in_the_log_holds_no_local_variables() -> None:
    def failing() -> None:
        held = "-".join(["can", "ary"])
        raise RuntimeError(f"a bug of {len(held)}")

    for form in ("json", "text"):
        stream, log = written(form)
        try:
            failing()
        except RuntimeError:
            log.exception("failed")
        assert "a bug of 7" in stream.getvalue()
        assert "can-ary" not in stream.getvalue()


def test_a_message_that_does_not_fit_its_arguments_is_still_logged() -> None:
    stream, log = written("json")
    log.info("%d items", "many")
    assert json.loads(stream.getvalue())["message"] == "%d items"


def test_quiet_means_warnings_only_and_unknown_forms_are_refused() -> None:
    stream, log = written("quiet")
    log.info("chatter")
    log.warning("careful")
    assert "chatter" not in stream.getvalue()
    assert "careful" in stream.getvalue()
    with pytest.raises(ValueError, match="log form"):
        lines.configure("xml")


def test_a_terminal_gets_the_readable_form(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    lines.configure()
    logging.getLogger("isthmus.test").info("up", extra={"port": 80})
    assert "info    up  port=80" in stream.getvalue()


async def test_every_request_leaves_one_line_with_its_route_and_never_its_parameters(lab: MakeLab) -> None:
    routes = Routes(prefix="/hooks", tag="Hooks")

    @routes.get("/{token}", permission=PUBLIC, limit="hook", response_model=None, summary="Hook", open_query=True)
    async def hook(token: str) -> Any:
        return document({"length": len(token)})

    stream, _ = written("json")
    here = lab(routes)
    await here.call("GET", "/hooks/whk_s3cr3t?code=s3cr3t", headers={"x-request-id": "mine"})
    await here.call("GET", "/hooks/whk_s3cr3t/more", headers={"authorization": "Bearer s3cr3t"})
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert "s3cr3t" not in stream.getvalue()
    assert (found[0]["path"], found[0]["status"], found[0]["requestId"]) == ("/hooks/{token}", 200, "mine")
    assert found[1]["status"] == 404


def test_a_log_that_nobody_reads_any_more_fails_no_request() -> None:
    gone = io.StringIO()
    lines.configure("json", stream=gone)
    gone.close()
    for _ in range(2):
        lines.access({"method": "GET"}, "req_1", datetime.now(UTC))
