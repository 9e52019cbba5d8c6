"""`isthmus search`: the index of what was synced."""

import typer

from isthmus.app import Platform
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.features import audit
from isthmus.features import search as room

search = typer.Typer(help="Look after the index of what was synced.", no_args_is_help=True)


@search.callback()
def _group() -> None:
    """Keep the command's own name although it is the only one."""


@search.command()
def rebuild() -> None:
    """Have the whole index made anew by the workers; searches go on over what is there."""
    with_platform(_rebuild)
    typer.echo("The index is being made anew; its progress stands in the table search_builds.")


async def _rebuild(platform: Platform) -> None:
    await audit.note_command(at_work(platform), "search rebuild")
    await room.rebuild(platform.system)
