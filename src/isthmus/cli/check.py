"""`isthmus check`: the merged settings with their origins, and what can be reached."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from isthmus.app import Platform, offered_connectors, open_platform
from isthmus.cli import drawn
from isthmus.cli.running import run, settings
from isthmus.engine.db import inspect
from isthmus.kit import text
from isthmus.kit.errors import Problem
from isthmus.kit.secret import Secret
from isthmus.settings import Settings, written

Describe = Annotated[bool, typer.Option("--describe", help="Say what each setting is for.")]


def check(describe: Describe = False) -> None:
    """Show every setting with where it comes from, then try each part. Exit code 1 when a part is missing."""
    loaded = settings()
    console = Console(highlight=False)
    drawn.show(_settings_table(loaded, describe=describe), console)
    failures = run(_parts(loaded, console))
    table = Table("part", "state", title="Parts", title_justify="left")
    for name, failure in failures.items():
        table.add_row(name, "[green]there[/]" if failure is None else f"[red]{text.terminal(failure)}[/]")
    drawn.show(table, console)
    for label, allowed in offered_connectors(loaded):
        console.print(
            f"third-party connector {label}: {'allowed' if allowed else 'installed, not allowed'}", markup=False
        )
    if any(failures.values()):
        raise typer.Exit(1)


def _settings_table(loaded: Settings, *, describe: bool) -> Table:
    table = Table(title="Settings", title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("origin", no_wrap=True)
    for knob, value, origin in loaded.rows():
        shown = "***" if isinstance(value, Secret) else text.terminal(written(value))
        table.add_row(knob.variable, shown, origin)
        if describe:
            table.add_row("", f"[dim]{knob.description}[/]", "")
    return table


def show_weaknesses(platform: Platform, console: Console) -> None:
    """What weakens security, in red, with its end (security.md SA-04)."""
    for one in platform.weaknesses:
        over = one.is_over(platform.clock.now())
        ends = "has run out: the safe value holds" if over else f"holds until {one.until:%Y-%m-%d %H:%M}Z"
        shown = f"{one.name} = {text.terminal(one.value)} weakens security: {one.reason}; it {ends}"
        console.print(shown, style="red", markup=False)


async def _parts(loaded: Settings, console: Console) -> Mapping[str, str | None]:
    try:
        async with open_platform(loaded, upgrade=False) as platform:
            return await _try_each(platform, console)
    except Problem as problem:
        for one in loaded.weakened():
            console.print(f"{one.variable} weakens security: {one.reason}", style="red", markup=False)
        return {"start": problem.message}


async def _try_each(platform: Platform, console: Console) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    seen = await inspect(platform.engine.database.url)
    console.print(f"PostgreSQL {seen.version}", markup=False)
    for warning in seen.warnings:
        console.print(f"  warning: {warning}", markup=False)
    show_weaknesses(platform, console)
    for name, walls in platform.walls.items():
        console.print(f"connector {name}: in a process of its own, behind walls of {', '.join(walls)}", markup=False)
    for name, part in platform.checks.items():
        try:
            async with asyncio.timeout(5):
                await part()
            found[name] = None
        except (Problem, OSError, TimeoutError) as failure:
            found[name] = str(failure) or type(failure).__name__
    return found
