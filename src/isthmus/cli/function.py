"""`isthmus function`: functions of Python services for what platforms push, and the end of those that nobody has."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from isthmus.app import Platform
from isthmus.cli import drawn
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.features import access, webhooks_in
from isthmus.kit import text
from isthmus.kit.paging import MAX_LIMIT, Ask
from isthmus.scope import Scope

function = typer.Typer(
    help="Show and retire the functions that Python services registered for webhooks.", no_args_is_help=True
)

Tenant = Annotated[str, typer.Argument(help="Tenant id (ten_...) or its slug.")]


@function.command("list")
def list_all(tenant: Tenant) -> None:
    """List the functions of a tenant's services: whether a running process has each, and how much waits for it."""
    table = drawn.columns("name", "pattern", "had by a process", "last", "waiting")
    for one in with_platform(lambda platform: _list(platform, tenant)):
        held = "retired" if one["retired_at"] else "yes" if one["offered"] else "no"
        last = one["offered_at"].isoformat(timespec="seconds")
        table.add_row(text.terminal(one["name"]), text.terminal(one["pattern"]), held, last, str(one["waiting"]))
    drawn.show(table)


@function.command()
def retire(
    tenant: Tenant, name: Annotated[str, typer.Argument(help="Its name, as `isthmus function list` shows it.")]
) -> None:
    """Plan for a function no more, and drop what waits for it; a service that registers it anew brings it back."""

    with_platform(lambda platform: _retired(platform, tenant, name))


async def _retired(platform: Platform, tenant: str, name: str) -> None:
    found = await access.find_tenant(platform.system, tenant)
    await webhooks_in.retire_named(at_work(platform, found.id), name)


async def _list(platform: Platform, tenant: str) -> Sequence[Mapping[str, Any]]:
    found = await access.find_tenant(platform.system, tenant)
    return await _every(at_work(platform, found.id))


async def _every(scope: Scope) -> Sequence[Mapping[str, Any]]:
    page = await webhooks_in.functions(scope, Ask(MAX_LIMIT))
    every = list(page.items)
    while page.next_after is not None:
        page = await webhooks_in.functions(scope, Ask(MAX_LIMIT, after=page.next_after))
        every += page.items
    return every
