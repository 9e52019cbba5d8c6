"""`isthmus queue`: what waits, and what was set aside because it killed its workers or failed again and again."""

from typing import Annotated

import typer

from isthmus.app import Platform
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.engine.queue import Depth, Parked
from isthmus.features import audit

queue = typer.Typer(help="See what waits for work, and send again what was set aside.", no_args_is_help=True)


@queue.command("list")
def listed() -> None:
    """Show how many wake-ups of each job wait, work and are parked, and each parked one with its reason."""
    depths, parked = with_platform(_looked)
    for depth in depths:
        typer.echo(
            f"{depth.job}: {depth.queued} waiting (oldest due for {depth.oldest_seconds:.0f} s), "
            f"{depth.running} at work, {depth.parked} parked"
        )
    if not depths:
        typer.echo("nothing waits")
    for one in parked:
        until = f", left alone until {one.until:%Y-%m-%d %H:%M} UTC" if one.until else ""
        typer.echo(
            f"parked  {one.job}  {one.tenant_id}  {one.key}  since {one.since:%Y-%m-%d %H:%M}: {one.reason}{until}"
        )


@queue.command()
def resend(
    job: Annotated[str, typer.Argument(help="The job, as `isthmus queue list` names it.")],
    tenant: Annotated[str, typer.Argument(help="The tenant's id.")],
    key: Annotated[str, typer.Argument(help="The object's id.")],
) -> None:
    """Wake a parked object again, with a clean record."""
    if not with_platform(lambda platform: _resent(platform, job, tenant, key)):
        typer.echo("Nothing of that kind is parked; `isthmus queue list` shows what is.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{job} for {key} waits again")


async def _looked(platform: Platform) -> tuple[list[Depth], list[Parked]]:
    async with platform.system.tx() as tx:
        return await platform.engine.queue.stats(tx), await platform.engine.queue.parked(tx)


async def _resent(platform: Platform, job: str, tenant: str, key: str) -> bool:
    await audit.note_command(at_work(platform), "queue resend", job=job, tenant=tenant, key=key)
    async with platform.system.tx() as tx:
        return await platform.engine.queue.resend(tx, job, key, tenant_id=tenant)
