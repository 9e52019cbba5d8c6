"""`isthmus audit`: prove that nobody changed the audit log, and renew the key that it is sealed with."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.app import Platform
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.features import audit as room

audit = typer.Typer(help="Prove that nobody changed the audit log.", no_args_is_help=True)

_HEAD = typer.Option(help="A number and hash that `isthmus audit head` said earlier: shows what was cut off since.")


@audit.command()
def verify(head: Annotated[str | None, _HEAD] = None) -> None:
    """Check every checkpoint and every entry of the log; exit code 1 when something is wrong, with the first places.

    Without --head the last line of the file of ISTHMUS_AUDIT__HEAD_FILE is taken, where there is one.
    """
    found = with_platform(lambda platform: _verify(platform, head))
    typer.echo(
        f"{found.entries} entries in {found.checkpoints} checkpoints, {found.erased} erased with their tenants, "
        f"{found.unsealed} not sealed yet"
    )
    for fault in found.faults:
        typer.echo(str(fault), err=True)
    if found.faults:
        raise typer.Exit(1)
    typer.echo(f"the log is what was sealed; newest checkpoint {found.head or 'none'}")


async def _verify(platform: Platform, head: str | None) -> room.Verdict:
    given = head or _kept(platform.settings.part(room.Settings).head_file)
    return await room.verify(platform.system, outside=room.read_head(given) if given else None)


def _kept(file: Path | None) -> str | None:
    if file is None or not file.exists():
        return None
    lines = file.read_text("ascii").splitlines()
    return lines[-1] if lines else None


@audit.command()
def head() -> None:
    """Print the newest checkpoint's number and hash, to be kept outside the database."""
    typer.echo(str(with_platform(_head)))


async def _head(platform: Platform) -> room.Head:
    return await room.head(platform.system)


@audit.command()
def seal() -> None:
    """Seal what is new at once; workers do so within seconds."""
    made = with_platform(_seal)
    typer.echo(f"{sum(len(one.leaves) for one in made)} entries sealed in {len(made)} checkpoints")


async def _seal(platform: Platform) -> list[room.Checkpoint]:
    return await room.seal(platform.system)


@audit.command("rotate-key")
def rotate_key() -> None:
    """Sign checkpoints with a new key from now on; what older keys signed stays checkable."""
    made = with_platform(_rotate)
    typer.echo(f"{made.id}  {made.public.hex()}")


async def _rotate(platform: Platform) -> room.MadeKey:
    return await room.renew_key(at_work(platform))
