"""The process that the accept benchmark measures: the API alone, or a peer that does the same with one insert each.

`python -m bench.hooks.accepting ours|peer` prints the address of a hook whose secret is `SECRET`. `full` is ours with a
past, `held` the same under a snapshot that is never let go; `worker`, `full-worker` and `held-worker` have a worker in
the same process and one for bulk work beside it, as `isthmus up` has them, and a handler that forwards. For each line
that it reads it tells something as JSON: for `left` what is still to be done; `replay` and `cancel` begin and end a
replay of the past, and `late` asks how late was handled what came.
"""

import asyncio
import contextlib
import hmac
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response

from bench.hooks import past
from bench.hooks.replays import Replays
from isthmus.app import SECTIONS, Beside, Share, address_of, bulk_beside, open_platform, serve_api, work_queue
from isthmus.engine.db import EmbeddedPostgres
from isthmus.features import access
from isthmus.features.webhooks_in.service import managing, rules
from isthmus.http.server import bind
from isthmus.kit.permissions import PLATFORM_TENANT, system
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System
from isthmus.settings import load

SECRET = "the secret of this benchmark"  # noqa: S105 - it opens nothing
_TABLE = """
create table hooks (
  delivery text primary key, received_at timestamptz not null default now(), headers jsonb not null, body bytea not null
)
"""
_INSERT = "insert into hooks (delivery, headers, body) values ($1, $2::jsonb, $3) on conflict do nothing"


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


class _Wishes:
    """What the reader of our lines wants: to be told what is left, and at last that we stop."""

    def __init__(self) -> None:
        self.stop, self.asked = asyncio.Event(), asyncio.Queue[str]()

    def hear(self) -> None:
        line = sys.stdin.readline()
        if line:
            self.asked.put_nowait(line.strip())
        else:
            self.stop.set()


async def _tell(scope: Scope, wishes: _Wishes, *, works: bool) -> None:
    """Without a worker nothing is done besides what was answered."""
    made = Replays(scope)
    does = {"replay": made.begin, "cancel": made.cancel, "late": made.late}
    system = System(scope.engine, scope.clock)
    while True:
        asked = await wishes.asked.get()
        if asked in does:
            _say(json.dumps(await does[asked]()))
        else:
            _say(json.dumps(await past.left(system) if works else {}))


async def _ours(home: Path, wishes: _Wishes, which: str) -> None:
    bound = bind("127.0.0.1", 0)
    settings = load(SECTIONS, {"ISTHMUS_HOME": str(home)})
    async with (
        open_platform(settings, upgrade=True, public_url=address_of(bound)) as platform,
        contextlib.AsyncExitStack() as stack,
    ):
        operator = platform.scope(PLATFORM_TENANT, system(PLATFORM_TENANT, "bench"))
        tenant = await access.create_tenant(operator, "Bench")
        scope = platform.scope(tenant.id, system(tenant.id, "bench"))
        seen = await managing.add(scope, managing.Wanted("github", secret=Secret(SECRET)))
        if which.startswith(("full", "held")):
            await past.fill(platform.system, tenant.id, seen.source.id)
            await past.calm(platform.system)
        if which.startswith("held"):
            await stack.enter_async_context(past.held(platform.system))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        if which.endswith("worker"):
            fields: dict[str, object] = dict.fromkeys(("source_id", "filter", "transform", "retries", "ordered_by"))
            await rules.add(scope, {**fields, "name": "on", "pattern": "*", "priority": 100, "paused": False})
            beside = Beside()
            group.create_task(work_queue(platform, wishes.stop, Share.SHORT, beside))
            group.create_task(bulk_beside(platform.system, wishes.stop, beside, {"ISTHMUS_HOME": str(home)}))
        _say(seen.url.reveal() if seen.url else "")
        telling = group.create_task(_tell(scope, wishes, works=which.endswith("worker")))
        stack.callback(telling.cancel)
        await serve_api(platform, bound, wishes.stop)


async def _peer(home: Path, wishes: _Wishes) -> None:
    app = FastAPI()
    async with EmbeddedPostgres(home / "postgres") as running:
        url = running.owner_url
        pool = await asyncpg.create_pool(url, min_size=10, max_size=10)
        await pool.execute(_TABLE)

        @app.post("/hooks")
        async def take(request: Request) -> Response:
            body = await request.body()
            mark = "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()
            if not hmac.compare_digest(mark, request.headers.get("x-hub-signature-256", "")):
                return Response(status_code=401)
            headers = {name: value for name, value in request.headers.items() if name != "cookie"}
            await pool.execute(_INSERT, headers["x-github-delivery"], json.dumps(headers), body)
            return Response(status_code=200)

        bound = bind("127.0.0.1", 0)
        _say(f"{address_of(bound)}/hooks")
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        await wishes.stop.wait()
        server.should_exit = True
        await serving
        await pool.close()


def _say(url: str) -> None:
    sys.stdout.write(url + "\n")
    sys.stdout.flush()


async def main(which: str) -> None:
    """Serve until standard input ends."""
    logging.disable(logging.INFO)
    wishes = _Wishes()
    asyncio.get_running_loop().add_reader(sys.stdin, wishes.hear)
    with _home() as home:
        await (_peer(home, wishes) if which == "peer" else _ours(home, wishes, which))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1]))
