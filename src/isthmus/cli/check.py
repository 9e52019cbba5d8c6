"""`isthmus check`: the merged settings with their origins, and what can be reached."""

import asyncio
from collections.abc import Mapping

import typer
from rich.console import Console
from rich.table import Table

from isthmus.app import Platform, offered_connectors, open_platform
from isthmus.cli.running import run, settings
from isthmus.kit import text
from isthmus.kit.errors import Problem
from isthmus.kit.secret import Secret
from isthmus.settings import Settings


def check() -> None:
    """Show every setting with where it comes from, then try each part. Exit code 1 when a part is missing."""
    loaded = settings()
    console = Console(highlight=False)
    console.print(_settings_table(loaded))
    failures = run(_parts(loaded))
    table = Table("part", "state", title="Parts", title_justify="left")
    for name, failure in failures.items():
        table.add_row(name, "[green]there[/]" if failure is None else f"[red]{text.terminal(failure)}[/]")
    console.print(table)
    for label, allowed in offered_connectors(loaded):
        console.print(
            f"third-party connector {label}: {'allowed' if allowed else 'installed, not allowed'}", markup=False
        )
    if any(failures.values()):
        raise typer.Exit(1)


def _settings_table(loaded: Settings) -> Table:
    table = Table("setting", "value", "origin", "what it is for", title="Settings", title_justify="left")
    for knob, value, origin in loaded.rows():
        shown = "***" if isinstance(value, Secret) else text.terminal(str(value))
        table.add_row(knob.variable, shown, origin, knob.description)
    return table


async def _parts(loaded: Settings) -> Mapping[str, str | None]:
    try:
        async with open_platform(loaded, upgrade=False) as platform:
            return await _try_each(platform)
    except Problem as problem:
        return {"start": problem.message}


async def _try_each(platform: Platform) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for name, part in platform.checks.items():
        try:
            async with asyncio.timeout(5):
                await part()
            found[name] = None
        except (Problem, OSError, TimeoutError) as failure:
            found[name] = str(failure) or type(failure).__name__
    return found
