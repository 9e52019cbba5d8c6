"""The sync face: the same names, from any thread, nothing left behind."""

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from isthmus.client import Missing, PageNumber, Response, SyncApiClient, calls_forbidden


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        page = int(self.path.partition("page=")[2] or 1)
        body = b"x" * 300_000 if self.path == "/big" else b"[%d,%d]" % (2 * page - 1, 2 * page) if page < 3 else b"[5]"
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def url() -> Any:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_same_names_without_an_event_loop(url: str) -> None:
    with SyncApiClient(url) as api:
        assert api.get("/x").body == [1, 2]
        assert api.post("/x", {"a": 1}).json() == {"a": 1}
        with pytest.raises(Missing):
            api.get("/gone")
        assert list(api.walk("/x", PageNumber(size=2)).records()) == [1, 2, 3, 4, 5]
        batch = api.batch(concurrency=3)
        for path in ("/a", "/gone", "/c"):
            batch.get(path)
        found = batch.run()
        assert isinstance(found[0], Response)
        assert isinstance(found[1], Missing)
        with api.stream("GET", "/big") as reply:
            assert sum(len(piece) for piece in reply) == 300_000
        with api.stream("GET", "/big") as reply:
            next(iter(reply))


def test_many_threads_share_one_client_and_the_thread_ends_with_it(url: str) -> None:
    with SyncApiClient(url) as api, SyncApiClient(url) as second, ThreadPoolExecutor(8) as pool:
        assert all(one.ok for one in pool.map(lambda number: (api if number % 2 else second).get("/x"), range(80)))
    assert not [thread for thread in threading.enumerate() if thread.name == "isthmus-client"]
    with pytest.raises(RuntimeError, match="closed"):
        api.get("/x")


async def test_a_thread_that_runs_a_loop_of_its_own_may_use_it(url: str) -> None:
    with SyncApiClient(url) as api:
        assert api.get("/x").ok


def test_forbidden_calls_are_forbidden_here_too(url: str) -> None:
    token = calls_forbidden.set("a transaction is open")
    try:
        with SyncApiClient(url) as api, pytest.raises(RuntimeError, match="transaction"):
            api.get("/x")
    finally:
        calls_forbidden.reset(token)
