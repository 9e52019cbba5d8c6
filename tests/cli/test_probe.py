"""`isthmus probe` shows what happened and ends with the right code."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from isthmus.cli.probe import probe

app = typer.Typer()
app.command()(probe)
runner = CliRunner()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    loop = asyncio.new_event_loop()
    ports: list[int] = []
    ready = threading.Event()
    flaky = iter([503, 200, 200])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        status = next(flaky, 200) if line.startswith(b"/flaky") else 404 if line == b"/gone" else 200
        writer.write(b"HTTP/1.1 %d X\r\nCache-Control: max-age=60\r\nConnection: close\r\n" % status)
        writer.write(b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()

    servers: list[asyncio.Server] = []
    starting = loop.create_task(main())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    ready.wait(5)
    yield f"http://127.0.0.1:{ports[0]}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    assert starting.done()
    servers[0].close()
    loop.run_until_complete(servers[0].wait_closed())
    loop.close()


def test_attempts_waits_cache_and_breaker_are_shown(url: str) -> None:
    result = runner.invoke(app, [url + "/flaky?token=verysecret"])
    assert result.exit_code == 0, result.output
    for expected in ("attempt 1", "HTTP 503", "judged transient", "wait", "attempt 2", "cache", "hit", "closed"):
        assert expected in result.output
    assert "verysecret" not in result.output


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [("/gone", [], "not_found"), ("/x", ["--public-only"], "address_refused"), ("/a b", [], "invalid_request")],
)
def test_a_failure_is_named_with_its_cure(url: str, path: str, options: list[str], expected: str) -> None:
    result = runner.invoke(app, [url + path, *options])
    assert result.exit_code == 1
    assert expected in result.output
    assert "cure:" in result.output
