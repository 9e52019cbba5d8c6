"""`isthmus tenant`: places for merchants, and whether their people and keys are let in."""

from collections.abc import Sequence
from typing import Annotated

import typer

from isthmus.app import Platform
from isthmus.cli import drawn
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.features import access
from isthmus.kit import text
from isthmus.kit.paging import MAX_LIMIT, Ask
from isthmus.kit.permissions import TENANT_ADMIN

tenant = typer.Typer(help="Make, list, suspend and activate tenants; invite their first people.", no_args_is_help=True)


@tenant.command()
def create(
    name: Annotated[str, typer.Argument(help="The merchant's name.")],
    slug: Annotated[str | None, typer.Option(help="Short name for addresses; made of the name by default.")] = None,
    plan: Annotated[str | None, typer.Option(help="The plan it has, such as pro; none by default.")] = None,
) -> None:
    """Make a tenant and print its id."""

    async def make(platform: Platform) -> access.Tenant:
        return await access.create_tenant(at_work(platform), name, slug, plan)

    made = with_platform(make)
    typer.echo(f"{made.id}  {made.slug}")


@tenant.command("list")
def list_all() -> None:
    """List all tenants."""
    table = drawn.columns("id", "slug", "name", "plan", "status", "since")
    for one in with_platform(_all):
        table.add_row(
            one.id, one.slug, text.terminal(one.name), one.plan or "", one.status, one.created_at.date().isoformat()
        )
    drawn.show(table)


@tenant.command()
def plan(
    name: Annotated[str, typer.Argument(help="Tenant id (ten_...) or its slug.")],
    wanted: Annotated[str | None, typer.Argument(help="The plan; left out, the tenant has none.")] = None,
) -> None:
    """Give a tenant a plan, or take it away; providers may ask for one."""

    async def change(platform: Platform) -> access.Tenant:
        found = await access.find_tenant(platform.system, name)
        return await access.change_tenant(at_work(platform), found.id, changes={"plan": wanted})

    changed = with_platform(change)
    typer.echo(f"{changed.id}  {changed.slug}  {changed.plan or 'no plan'}")


@tenant.command()
def suspend(name: Annotated[str, typer.Argument(help="Tenant id (ten_...) or its slug.")]) -> None:
    """Refuse a tenant's people and API keys, everywhere within five seconds; what it has stays."""
    _set_status(name, access.TenantStatus.SUSPENDED)


@tenant.command()
def activate(name: Annotated[str, typer.Argument(help="Tenant id (ten_...) or its slug.")]) -> None:
    """Let a suspended tenant in again."""
    _set_status(name, access.TenantStatus.ACTIVE)


@tenant.command()
def usage(name: Annotated[str, typer.Argument(help="Tenant id (ten_...) or its slug.")]) -> None:
    """Show what a tenant may have, and how much of it is used; by process where the limit is for each."""
    table = drawn.columns("cap", "used", "limit", "unit", "period", "within", "share")
    for one in with_platform(lambda platform: _used(platform, name)):
        limit, share = ("none", "") if one.share is None else (str(one.limit), f"{one.share:.0%}")
        table.add_row(one.cap.name, str(one.used), limit, one.cap.unit, one.cap.period, one.cap.within, share)
    drawn.show(table)


@tenant.command()
def invite(
    name: Annotated[str, typer.Argument(help="Tenant id (ten_...) or its slug.")],
    email: Annotated[str, typer.Argument(help="Whom to invite.")],
    role: Annotated[list[str] | None, typer.Option(help="Role, may be repeated; tenant_admin by default.")] = None,
) -> None:
    """Make an account for somebody and print the invitation, which `POST /api/auth/accept` takes up once."""

    async def make(platform: Platform) -> access.Shown:
        return await _invited(platform, name, email, role or [TENANT_ADMIN])

    typer.echo(with_platform(make).shown.reveal())


async def _used(platform: Platform, name: str) -> Sequence[access.CapUse]:
    return await access.usage_of(at_work(platform), name)


async def _invited(platform: Platform, name: str, email: str, roles: list[str]) -> access.Shown:
    found = await access.find_tenant(platform.system, name)
    return await access.invite(at_work(platform, found.id), email, roles)


def _set_status(name: str, status: access.TenantStatus) -> None:
    async def change(platform: Platform) -> access.Tenant:
        return await _changed(platform, name, status)

    changed = with_platform(change)
    typer.echo(f"{changed.id}  {changed.slug}  {changed.status}")


async def _changed(platform: Platform, name: str, status: access.TenantStatus) -> access.Tenant:
    found = await access.find_tenant(platform.system, name)
    return await access.set_status(at_work(platform), found.id, status=status)


async def _all(platform: Platform) -> list[access.Tenant]:
    found: list[access.Tenant] = []
    place: str | None = None
    while True:
        page = await access.tenants(at_work(platform), ask=Ask(limit=MAX_LIMIT, after=place))
        found += page.items
        place = page.next_after
        if place is None:
            return found


@tenant.command()
def delete(
    name: Annotated[str, typer.Argument(help="Tenant id (ten_...) or its slug.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a tenant with its keys and all its data; a worker does it, and the audit log says when it is done."""
    if not yes:
        typer.confirm(f"Everything of {name} will be gone for good. Go on?", abort=True)

    async def begin(platform: Platform) -> access.Tenant:
        found = await access.find_tenant(platform.system, name)
        return await access.delete_tenant(at_work(platform), found.id)

    leaving = with_platform(begin)
    typer.echo(f"{leaving.id}  {leaving.slug}  {leaving.status}")
