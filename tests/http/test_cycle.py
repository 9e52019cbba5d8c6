"""Requests on their way through the application, over real sockets: read in one look or by the parser, alike."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import pytest
from fastapi import Query
from starlette.responses import Response
from tests.http.conftest import Lab, MakeLab
from tests.http.test_direct import line, read

from isthmus.http import HttpSettings, Routes, Server, Wire, document
from isthmus.http.answers import Document
from isthmus.kit.permissions import USER, permission

USE = permission("cycle:use", "use the cycle", USER)


class Word(Wire):
    text: str


def routes(waiting: dict[str, asyncio.Event]) -> Routes:
    made = Routes(prefix="/api", tag="Cycle")
    about: dict[str, Any] = {"permission": USE, "limit": "other", "response_model": None, "summary": "Ask"}

    @made.get("/echo", **about)
    async def echo(text: str = "", many: Annotated[Sequence[str], Query()] = ()) -> Any:
        if text in waiting:
            try:
                await waiting[text].wait()
            except asyncio.CancelledError:
                waiting["cancelled"].set()
                raise
        return document({"text": text, "many": many})

    @made.get("/odd", **about)
    async def odd(name: str) -> Response:
        return Document(b"{}", headers={"x-odd": {"break": "a\r\nx-more: b", "latin": "\u00e9", "tab": "a\tb"}[name]})

    @made.post("/echo", **about)
    async def said(body: Word) -> Any:
        return document({"text": body.text})

    return made


@asynccontextmanager
async def served(lab: MakeLab, **settings: Any) -> AsyncIterator[tuple[Server, Lab, dict[str, asyncio.Event]]]:
    waiting = {"wait": asyncio.Event(), "cancelled": asyncio.Event()}
    here = lab(routes(waiting), settings=settings)
    async with Server(here.app, settings=HttpSettings(**settings)).running() as server:
        yield server, here, waiting


def get(here: Lab, path: str, *more: str, method: str = "GET") -> bytes:
    signed = here.signed()["authorization"]
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: {signed}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def post(here: Lab, text: str) -> bytes:
    body = json.dumps({"text": text}).encode()
    more = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    return get(here, "/api/echo", *more, method="POST") + body


async def test_what_is_read_in_one_look_is_answered_as_what_the_parser_reads(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _), line(server) as (reader, writer):
        request = get(here, "/api/echo?text=a%20b&many=1&many=2", "X-Request-Id: mine")
        answers = []
        for cut in (len(request), 30, len(request)):
            writer.write(request[:cut])
            await asyncio.sleep(0.01)
            writer.write(request[cut:])
            status, headers, body = await read(reader)
            answers.append((status, {**headers, "date": "", "x-ratelimit-remaining": ""}, body))
        assert answers[0] == answers[1] == answers[2]
        assert json.loads(answers[0][2]) == {"text": "a b", "many": ["1", "2"]}
        assert (answers[0][0], answers[0][1]["x-request-id"]) == (200, "mine")


async def test_kinds_of_requests_take_turns_on_one_connection(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _), line(server) as (reader, writer):
        for number in range(3):
            for request in (get(here, f"/api/echo?text={number}"), post(here, str(number))):
                writer.write(request)
                assert json.loads((await read(reader))[2])["text"] == str(number)


async def test_HE_01_what_comes_behind_a_request_waits_for_its_turn_and_is_never_part_of_it(lab: MakeLab) -> None:
    async with served(lab) as (server, here, waiting), line(server) as (reader, writer):
        writer.write(get(here, "/api/echo?text=wait"))
        await asyncio.sleep(0.02)
        writer.write(get(here, "/api/echo?text=second") + post(here, "third"))
        writer.write(get(here, "/api/echo?text=last")[:20])
        await asyncio.sleep(0.02)
        waiting["wait"].set()
        assert [json.loads((await read(reader))[2])["text"] for _ in range(3)] == ["wait", "second", "third"]
        writer.write(get(here, "/api/echo?text=last")[20:])
        assert json.loads((await read(reader))[2])["text"] == "last"


async def test_the_head_of_an_answer_leaves_without_its_body(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _), line(server) as (reader, writer):
        writer.write(get(here, "/api/echo?text=abc", method="HEAD") + get(here, "/api/echo?text=abc"))
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers, _ = await read(reader)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert f"content-length: {headers['content-length']}\r\n".encode() in head
        assert status == 200


@pytest.mark.parametrize(("name", "value"), [("latin", b"x-odd: \xe9\r\n"), ("tab", b"x-odd: a\tb\r\n")])
async def test_odd_letters_in_a_head_leave_as_they_are(lab: MakeLab, name: str, value: bytes) -> None:
    async with served(lab) as (server, here, _), line(server) as (reader, writer):
        writer.write(get(here, f"/api/odd?name={name}"))
        assert value in await reader.readuntil(b"\r\n\r\n")


async def test_HE_02_a_line_break_in_a_field_never_leaves(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _), line(server) as (reader, writer):
        writer.write(get(here, "/api/odd?name=break"))
        came = b""
        with suppress(ConnectionResetError):
            async with asyncio.timeout(5):
                while piece := await reader.read(1_000):
                    came += piece
        assert b"x-more" not in came


async def test_a_caller_that_wants_the_connection_closed_has_it_closed_after_the_answer(lab: MakeLab) -> None:
    async with served(lab) as (server, here, _), line(server) as (reader, writer):
        writer.write(get(here, "/api/echo?text=abc", "Connection: close"))
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert b"\r\nconnection: close\r\n\r\n" in answer
        assert json.loads(answer.rpartition(b"\r\n")[2])["text"] == "abc"


async def test_an_idle_connection_is_closed_by_the_sweep_and_a_busy_one_is_not(lab: MakeLab) -> None:
    async with (
        served(lab, keep_alive_seconds=0) as (server, here, waiting),
        line(server) as (reader, writer),
        line(server) as (other, busy),
    ):
        busy.write(get(here, "/api/echo?text=wait"))
        writer.write(get(here, "/api/echo?text=abc"))
        assert (await read(reader))[0] == 200
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        waiting["wait"].set()
        assert (await read(other))[0] == 200


async def test_HE_11_hanging_up_ends_the_work_of_a_request_that_was_read_in_one_look(lab: MakeLab) -> None:
    async with served(lab) as (server, here, waiting):
        async with line(server) as (_, writer):
            writer.write(get(here, "/api/echo?text=wait"))
            await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            await waiting["cancelled"].wait()
