"""`isthmus up`, `serve`, `work` and `migrate`: the processes of a deployment."""

import asyncio
import os
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from isthmus.app import (
    Beside,
    Platform,
    Share,
    address_of,
    bulk_beside,
    open_platform,
    serve_api,
    serve_metrics,
    upgrade_database,
    work_queue,
)
from isthmus.cli.running import end_with_parent, run, settings, stopping
from isthmus.http.server import bind
from isthmus.kit.priority import step_back

Home = Annotated[Path | None, typer.Option(help="Folder of the embedded database, blobs and keys.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")]


Only = Annotated[Share, typer.Option("--only", help="Bulk work alone, or everything else.")]
Tied = Annotated[bool, typer.Option("--beside", hidden=True)]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a process does."""

    api: bool = False
    work: Share | None = None
    upgrade: bool = False
    #: Whether it was started by a process that does the rest.
    beside: bool = False


def up(home: Home = None, host: Host = None, port: Port = None) -> None:
    """Start everything with one command: database, migrations, API and worker. Ctrl-C ends it gracefully."""
    overrides = {"ISTHMUS_HOME": home, "ISTHMUS_HOST": host, "ISTHMUS_PORT": port}
    run(_processes(overrides, _Plan(api=True, work=Share.ALL, upgrade=True)))


def serve(host: Host = None, port: Port = None) -> None:
    """Start an API process against the configured database."""
    run(_processes({"ISTHMUS_HOST": host, "ISTHMUS_PORT": port}, _Plan(api=True)))


def work(only: Only = Share.ALL, beside: Tied = False) -> None:
    """Start a worker process against the configured database; one for bulk work alone steps back for others."""
    run(_processes({}, _Plan(work=only, beside=beside)))


def migrate() -> None:
    """Bring the database's schema up to date; safe to run twice and from several machines at once."""
    run(upgrade_database(settings()))
    Console(stderr=True).print("The database is up to date.")


async def _processes(overrides: Mapping[str, object], plan: _Plan) -> None:
    loaded = settings(overrides)
    bulk = plan.work is Share.BULK
    if bulk:
        step_back(os.getpid(), loaded.core.bulk_nice)
    bound = bind(loaded.core.host, loaded.core.port) if plan.api else None
    address = address_of(bound) if bound else None
    if plan.beside:
        end_with_parent()
    opening = open_platform(loaded, upgrade=plan.upgrade, public_url=address, bulk=bulk)
    with stopping() as stop:
        async with opening as platform, asyncio.TaskGroup() as group:
            share, beside = plan.work, None
            if share is Share.ALL and plan.upgrade and loaded.core.bulk_apart:
                share, beside = Share.SHORT, Beside()
                group.create_task(
                    _until(bulk_beside(platform.system, stop, beside, _told(overrides)), stop), name="bulk"
                )
            if share is not None:
                group.create_task(_until(work_queue(platform, stop, share, beside), stop), name="worker")
            if bound:
                group.create_task(_until(serve_api(platform, bound, stop, hear=plan.work is None), stop), name="api")
            if platform.http_settings.metrics and platform.http_settings.metrics_address and not plan.beside:
                group.create_task(_until(serve_metrics(platform, stop), stop), name="metrics")
            if not plan.beside:
                group.create_task(_announce(platform, address, stop))


def _told(overrides: Mapping[str, object]) -> dict[str, str]:
    """The environment of a process beside this one: what this one's command line says."""
    return {name: str(value) for name, value in overrides.items() if value is not None}


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
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if address is None:
        console.print("A worker is at work. Ctrl-C ends it.")
    else:
        console.print(f"Isthmus listens on [bold]{address}[/]  (documentation: {address}/docs)")
    for note in platform.notes:
        console.print(f"  {note}", markup=False)
