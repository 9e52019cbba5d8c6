"""`isthmus audit`: prove that nobody changed the audit log, and renew the key that it is sealed with."""

import json
from pathlib import Path
from typing import Annotated

import typer

from isthmus.app import Platform
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.features import access
from isthmus.features import audit as room
from isthmus.kit.errors import Invalid

audit = typer.Typer(help="Prove that nobody changed the audit log.", no_args_is_help=True)

_HEAD = typer.Option(help="A number and hash that `isthmus audit head` said earlier: shows what was cut off since.")
_PROOF = typer.Option(help="A file with the proof of one entry: check it alone, without a database.")
_KEY = typer.Option(help="With --proof: the public key that it must be signed with.")


@audit.command()
def verify(
    head: Annotated[str | None, _HEAD] = None,
    proof: Annotated[
        Path | None, typer.Option(help="A proof of one entry: check it alone, without a database.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="With --proof: the public key that it must be signed with.")] = None,
) -> None:
    """Check every checkpoint and every entry of the log; exit code 1 when something is wrong, with the first places.

    Without --head the last line of the file of ISTHMUS_AUDIT__HEAD_FILE is taken, where there is one.
    """
    if proof is not None:
        _check_proof(proof, key, head)
        return
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


def _check_proof(file: Path, key: str | None, head: str | None) -> None:
    """Say whether a proof holds; exit code 1 when it does not. Raises Invalid for what is none."""
    found = room.read_proof(_json(file))
    fault = room.fault_of(found, None if key is None else _hex(key))
    if fault is None and head is not None and room.read_head(head) != found.head:
        fault = "it leads to another checkpoint than the one that you know"
    if fault is not None:
        typer.echo(f"{found.entry_id} is not proved: {fault}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{found.entry_id} stands in the log as it was sealed in checkpoint {found.head}")
    known = "" if key else ", which you should compare with `isthmus audit keys`"
    typer.echo(f"signed with key {found.key_id} {found.public.hex()}{known}")


def _json(file: Path) -> object:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as failure:
        raise Invalid(f"{file} holds no proof: it cannot be read as JSON.") from failure


def _hex(key: str) -> bytes:
    try:
        return bytes.fromhex(key)
    except ValueError:
        raise Invalid("A public key is 64 hexadecimal digits, as `isthmus audit keys` says.") from None


@audit.command()
def prove(
    tenant: Annotated[str, typer.Argument(help="Tenant id (ten_...) or its slug.")],
    entry: Annotated[str, typer.Argument(help="The entry (evt_...).")],
) -> None:
    """Print the proof of one entry as JSON; `isthmus audit verify --proof` checks it anywhere, without a database."""
    typer.echo(json.dumps(room.told(with_platform(lambda platform: _prove(platform, tenant, entry))), indent=2))


async def _prove(platform: Platform, tenant: str, entry: str) -> room.Proof:
    found = await access.find_tenant(platform.system, tenant)
    return await room.prove(at_work(platform, found.id), entry)


@audit.command()
def keys() -> None:
    """Print the public keys that checkpoints are signed with, to be kept elsewhere."""
    for name, public in with_platform(lambda platform: room.public_keys(platform.system)).items():
        typer.echo(f"{name}  {public.hex()}")


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
