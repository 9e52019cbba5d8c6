"""`isthmus demo`: three emulated shops connected by their real sign-in handshakes, and their listings in sync."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from isthmus.app import address_of, open_platform, serve_api, work_queue
from isthmus.cli.demo_steps import Demo, DemoFailed, Emulated, Outcome
from isthmus.cli.demo_view import Progress, outcome_table
from isthmus.cli.running import run, settings, stopping
from isthmus.http.server import bind
from isthmus.sandbox import read_csv

_LINE = 1 << 20
Once = Annotated[bool, typer.Option("--once", help="End by itself after the sync.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON; implies --once.")]
Products = Annotated[int, typer.Option(min=1, max=100_000, help="Products of each shop, when generated.")]
Catalog = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Fill the shops from a product file (CSV).")
]


def demo(once: Once = False, as_json: AsJson = False, products: Products = 120, catalog: Catalog = None) -> None:
    """Connect three sandbox shops, sync their listings with live progress, and stay up with the API."""
    if catalog:
        read_csv(catalog)
    home = Path(tempfile.mkdtemp(prefix="isthmus-demo-"))
    try:
        outcome = run(_demo(home, products, catalog, stay=not (once or as_json), quiet=as_json))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if as_json:
        typer.echo(json.dumps([row.as_dict() for row in outcome], ensure_ascii=False, indent=1))
    if not outcome or any(row.state != "succeeded" for row in outcome):
        raise typer.Exit(1)


async def _demo(home: Path, products: int, catalog: Path | None, *, stay: bool, quiet: bool) -> list[Outcome]:
    console = Console(stderr=True, highlight=False, quiet=quiet)
    overrides = {"ISTHMUS_HOME": home, "ISTHMUS_LOG": "quiet"}
    console.print("Starting the database, the API, a worker and the sandbox marketplaces ...")
    bound = bind("127.0.0.1", 0)
    address = address_of(bound)
    with stopping() as stop:
        async with (
            emulated(products, catalog) as sandboxes,
            open_platform(settings(overrides), upgrade=True, public_url=address) as platform,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(serve_api(platform, bound, stop))
            group.create_task(work_queue(platform, stop))
            steps = Demo(platform, address, sandboxes)
            try:
                outcome = await _steps(steps, console)
                if stay:
                    await _stay(steps, console, stop)
            finally:
                await steps.aclose()
                stop.set()
    return outcome


@asynccontextmanager
async def emulated(products: int, catalog: Path | None) -> AsyncIterator[Mapping[str, Emulated]]:
    """The emulated platforms in a process of their own, so that their CPU time is not counted as ours."""
    words = ["sandbox", "--json", "--products", str(products)] + (["--catalog", str(catalog)] if catalog else [])
    pipe = asyncio.subprocess.PIPE
    # a sandbox has no settings, and no need of the secrets among them
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "isthmus", *words),
        env=kept,
        stdin=pipe,
        stdout=pipe,
        limit=_LINE,
        start_new_session=True,
    )
    try:
        if process.stdout is None or not (line := await process.stdout.readline()):
            raise DemoFailed("The sandboxes did not start.")
        yield {name: Emulated(**shown) for name, shown in json.loads(line).items()}
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def _steps(steps: Demo, console: Console) -> list[Outcome]:
    await steps.prepare()
    for shop in await steps.connect_all():
        console.print(f"  connected [bold]{shop.name}[/] ({shop.provider}) by its own consent page")
    with Progress(console) as progress:
        outcome = await steps.sync_all(progress.show)
    Console(highlight=False, quiet=console.quiet).print(outcome_table(outcome))
    return outcome


async def _stay(steps: Demo, console: Console, stop: asyncio.Event) -> None:
    console.print(f"\nThe API is at [bold]{steps.address}[/], its documentation at [bold]{steps.address}/docs[/]")
    console.print("A token for the demo's tenant:")
    Console(highlight=False, soft_wrap=True).print(steps.token.reveal(), markup=False)
    console.print(f'  curl -H "Authorization: Bearer $TOKEN" "{steps.address}/api/products?limit=2"', markup=False)
    console.print("Ctrl-C ends the demo; nothing stays behind.")
    await stop.wait()
