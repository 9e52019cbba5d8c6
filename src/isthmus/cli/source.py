"""`isthmus source`: the addresses at which the deployment's own apps are pushed to, one for all their shops."""

import sys
from typing import Annotated

import typer

from isthmus.app import Platform
from isthmus.cli import drawn
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.features import webhooks_in
from isthmus.kit import text
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.kit.secret import Secret

source = typer.Typer(help="Show, make and remove webhook sources of the deployment's apps.", no_args_is_help=True)

Tenant = Annotated[str, typer.Option(help="A tenant with an app of its own; the whole deployment by default.")]


@source.command("list")
def list_all(tenant: Tenant = PLATFORM_TENANT) -> None:
    """List the sources with what came in there."""
    table = drawn.columns("id", "provider", "name", "received", "first verified")
    for one in with_platform(lambda platform: _list(platform, tenant)):
        first = one.source.first_verified_at
        name = text.terminal(one.source.name)
        table.add_row(one.source.id, one.source.provider, name, str(one.received), first.isoformat() if first else "-")
    drawn.show(table)


async def _list(platform: Platform, tenant: str) -> list[webhooks_in.Seen]:
    return list((await webhooks_in.sources(at_work(platform, tenant), Ask(limit=500))).items)


@source.command()
def add(
    provider: Annotated[str, typer.Argument(help="Provider id, as `isthmus provider list` shows it.")],
    name: Annotated[str, typer.Option(help="A name for people.")] = "",
    tenant: Tenant = PLATFORM_TENANT,
    *,
    secret: Annotated[bool, typer.Option(help="Read a secret of its own from standard input.")] = False,
    verify_token: Annotated[
        bool, typer.Option(help="Read, behind it, the token by which the platform proves the address.")
    ] = False,
) -> None:
    """Make a source and print its address, once; without a secret the app's own counts."""
    given = Secret(sys.stdin.readline().strip()) if secret else None
    shown = Secret(sys.stdin.readline().strip()) if verify_token else None
    wanted = webhooks_in.Wanted(provider, name, secret=given, verify_token=shown)
    made = with_platform(lambda platform: webhooks_in.add(at_work(platform, tenant), wanted))
    typer.echo(made.url.reveal() if made.url else "")
    typer.echo(made.setup, err=True)


@source.command()
def remove(
    source_id: Annotated[str, typer.Argument(help="The source's id.")], tenant: Tenant = PLATFORM_TENANT
) -> None:
    """Remove a source; its address answers nothing any more."""
    with_platform(lambda platform: webhooks_in.remove(at_work(platform, tenant), source_id))
