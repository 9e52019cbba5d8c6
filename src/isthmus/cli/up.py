"""`isthmus up`, `serve`, `work` and `migrate`: the processes of a deployment."""

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from isthmus.app import Platform, address_of, open_platform, serve_api, serve_metrics, upgrade_database, work_queue
from isthmus.cli.running import run, settings, stopping
from isthmus.http.server import bind

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


async def _processes(overrides: Mapping[str, object], *, api: bool, worker: bool, upgrade: bool) -> None:
    loaded = settings(overrides)
    bound = bind(loaded.core.host, loaded.core.port) if api else None
    address = address_of(bound) if bound else None
    with stopping() as stop:
        async with open_platform(loaded, upgrade=upgrade, public_url=address) as platform, asyncio.TaskGroup() as group:
            if worker:
                group.create_task(_until(work_queue(platform, stop), stop), name="worker")
            if bound:
                group.create_task(_until(serve_api(platform, bound, stop, hear=not worker), stop), name="api")
            if platform.http_settings.metrics and platform.http_settings.metrics_address:
                group.create_task(_until(serve_metrics(platform, stop), stop), name="metrics")
            group.create_task(_announce(platform, address, stop))


async def _until(part: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Run one part; when it ends, however it ends, the others are asked to end too."""
    try:
        await part
    finally:
        stop.set()


async def _announce(platform: Platform, address: str | None, stop: asyncio.Event) -> None:
    """Say where, once the parts before it had their first turn and none refused to start."""
    if stop.is_set():
        return
    console = Console(stderr=True, highlight=False)
    if address is None:
        console.print("A worker is at work. Ctrl-C ends it.")
    else:
        console.print(f"Isthmus listens on [bold]{address}[/]  (documentation: {address}/docs)")
    for note in platform.notes:
        console.print(f"  {note}", markup=False)
