"""`isthmus vault`: where the keys stand, and new ones while calls go on."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from isthmus.app import Platform, open_platform
from isthmus.cli import drawn
from isthmus.cli.operator import at_work
from isthmus.cli.running import run, settings, with_platform
from isthmus.engine import keys
from isthmus.features import vault as room
from isthmus.kit.errors import Conflict
from isthmus.kit.secret import Secret

vault = typer.Typer(help="Show and rotate the keys that seal credentials.", no_args_is_help=True)


class NoKeyFile(Conflict):
    """The master key does not come from a file; put a new key before the old one where it does come from.

    Add the new key there, in front, restart the processes, and call `isthmus vault rotate` without `--new-key`.
    """

    code = "NO_MASTER_KEY_FILE"


@vault.command()
def status() -> None:
    """Count data keys by master key, and show what a rotation has left."""
    _show(with_platform(_status))


async def _status(platform: Platform) -> room.Status:
    return await room.status(platform.system)


def _show(found: room.Status) -> None:
    table = drawn.columns("master key", "state", "data keys", "held here")
    every = dict.fromkeys((found.current_master or "", *found.former_masters, *found.held))
    for master in filter(None, every):
        held = "yes" if master in found.held else "NO"
        table.add_row(master, _state(found, master), str(found.wrapped_by.get(master, 0)), held)
    console = Console(highlight=False)
    drawn.show(table, console)
    console.print(f"data keys: {found.active} in use, {found.retired} retired; re-sealing open: {found.reseals_open}")
    if found.disposable:
        console.print("A key that wraps nothing is needed by older backups only; remove it when those are gone.")
    if found.unreadable:
        console.print(f"{found.unreadable} data keys cannot be opened with the master keys held here", style="bold red")


def _state(found: room.Status, master: str) -> str:
    if master == found.current_master:
        return "in use"
    if master in found.disposable:
        return "wraps nothing any more"
    return "former" if master in found.former_masters else "not in use yet"


@vault.command()
def rotate(
    data: Annotated[bool, typer.Option("--data", help="Also give every tenant a new data key, and re-seal.")] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="First put a new master key before the old one in the key file.")
    ] = False,
) -> None:
    """Wrap all data keys with the first master key, while calls go on. Killed, it goes on when called again."""
    if new_key:
        _renew()
    done, found = with_platform(lambda platform: _rotate(platform, data=data))
    typer.echo(f"{done.rewrapped} data keys wrapped anew")
    if data:
        typer.echo(f"{done.tenants} tenants have a new data key, {done.resealed} values sealed anew")
    if done.damaged:
        typer.echo(f"{done.damaged} values do not open and were left as they are", err=True)
    _show(found)


async def _rotate(platform: Platform, *, data: bool) -> tuple[room.Rotated, room.Status]:
    done = await room.rotate(platform.system, data=data, by=at_work(platform))
    return done, await room.status(platform.system)


def _renew() -> None:
    core = settings().core
    elsewhere = core.master_key or core.master_key_command
    # without any setting an embedded start keeps its key here
    file = core.master_key_file or (core.home / "master.key" if core.database_url is None else None)
    if file is None or elsewhere:
        raise NoKeyFile
    ring = keys.renew(file)
    typer.echo(f"{file} holds a new master key, {ring.primary.id}; keep a copy elsewhere")


class NotWritten(Conflict):
    """The copy of the master key could not be written; a file that is there is never replaced.

    Name a new file in a folder that you may write to.
    """

    code = "KEY_COPY_NOT_WRITTEN"


@vault.command("export-key")
def export_key(
    to: Annotated[Path | None, typer.Option(help="A new file, for you alone, instead of the terminal.")] = None,
) -> None:
    """Write the master keys out once, for a copy apart from the database. The audit log tells who did it.

    The copy is read as it is by ISTHMUS_MASTER_KEY_FILE. Whoever has it and the database can read every credential.
    """
    exported = with_platform(lambda platform: room.export_key(platform.system, at_work(platform)))
    if to is None:
        sys.stdout.write(exported.reveal())
    else:
        _keep(to, exported)
        typer.echo(f"{to} holds the master key; keep it apart from the database and its backups", err=True)


def _keep(file: Path, exported: Secret) -> None:
    try:
        held = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(held, "w", encoding="ascii") as out:
            out.write(exported.reveal())
            out.flush()
            os.fsync(out.fileno())
    except OSError as failure:
        raise NotWritten(f"The copy could not be written to {file}: {failure.strerror}.") from failure


@vault.command("start-over")
def start_over(
    lost: Annotated[str, typer.Argument(help="The id of the lost key, as the refused start names it.")],
) -> None:
    """Go on with a new master key after the old one is lost for good. Stop every process first.

    No stored credential can be read again: set every app and connect every shop anew. Everything else stays.
    """

    async def main() -> int:
        async with open_platform(settings(), upgrade=False, prove=False) as platform:
            return await room.start_over(platform.system, lost, at_work(platform))

    count = run(main())
    typer.echo(f"{count} data keys were given up; set every app anew, then reconnect every connection")
