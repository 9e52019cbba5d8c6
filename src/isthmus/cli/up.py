"""`isthmus up`, `serve`, `work` and `migrate`: the processes of a deployment."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from isthmus.app import Platform, open_platform, serve_api, upgrade_database, work_queue
from isthmus.cli.running import run, settings, stopping

Home = Annotated[Path | None, typer.Option(help="Folder of the embedded database, blobs and keys.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")]


def up(home: Home = None, host: Host = None, port: Port = None) -> None:
    """Start everything in one process: database, migrations, API and worker. Ctrl-C ends it gracefully."""
    overrides = {"ISTHMUS_HOME": home, "ISTHMUS_HOST": host, "ISTHMUS_PORT": port}
    run(_processes(overrides, api=True, worker=True, upgrade=True))


def serve(host: Host = None, port: Port = None) -> None:
    """Start an API process against the configured database."""
    run(_processes({"ISTHMUS_HOST": host, "ISTHMUS_PORT": port}, api=True, worker=False, upgrade=False))


def work() -> None:
    """Start a worker process against the configured database."""
    run(_processes({}, api=False, worker=True, upgrade=False))


def migrate() -> None:
    """Bring the database's schema up to date; safe to run twice and from several machines at once."""
    run(upgrade_database(settings()))
    Console(stderr=True).print("The database is up to date.")


async def _processes(overrides: dict[str, object], *, api: bool, worker: bool, upgrade: bool) -> None:
    loaded = settings(overrides)
    with stopping() as stop:
        async with open_platform(loaded, upgrade=upgrade) as platform, asyncio.TaskGroup() as group:
            if worker:
                group.create_task(_until(work_queue(platform, stop), stop), name="worker")
            if api:
                group.create_task(_until(serve_api(platform, stop, _announce), stop), name="api")


async def _until(part: asyncio._CoroutineLike[None], stop: asyncio.Event) -> None:
    """Run one part; when it ends, however it ends, the others are asked to end too."""
    try:
        await part
    finally:
        stop.set()


def _announce(platform: Platform, address: str) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(f"Isthmus listens on [bold]{address}[/]  (documentation: {address}/docs)")
    for note in platform.notes:
        console.print(f"  {note}", markup=False)
