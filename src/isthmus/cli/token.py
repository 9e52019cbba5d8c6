"""`isthmus token`: a development token for the embedded start (security.md JT-11)."""

from collections.abc import Collection
from typing import Annotated

import typer

from isthmus.app import Platform
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.features import access, audit
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import PLATFORM_TENANT, ROLES, SUPER_ADMIN, TENANT_ADMIN


def token(
    tenant: Annotated[str, typer.Argument(help="Tenant id (ten_...) or its slug.")],
    role: Annotated[list[str] | None, typer.Option(help="Role, may be repeated; tenant_admin by default.")] = None,
    subject: Annotated[str, typer.Option(help="Who the token speaks for.")] = "developer",
    hours: Annotated[float, typer.Option(min=0.01, max=24.0, help="Lifetime in hours.")] = 8.0,
) -> None:
    """Mint a bearer token for a tenant. Works only with the development key of an embedded start."""

    if unknown := sorted(set(role or ()) - set(ROLES)):
        raise typer.BadParameter(f"There is no role {', '.join(unknown)}; there are {', '.join(ROLES)}.")

    async def mint(platform: Platform) -> str:
        found = await access.find_tenant(platform.system, tenant)
        check_place(found.id, role or ())
        minted = platform.development_token(found.id, subject=subject, roles=role or [TENANT_ADMIN], hours=hours)
        told = {"tenant": found.id, "subject": subject, "roles": ", ".join(role or [TENANT_ADMIN])}
        await audit.note_command(at_work(platform), "token", **told)
        return minted.reveal()

    typer.echo(with_platform(mint))


def check_place(tenant_id: str, roles: Collection[str]) -> None:
    """A token that no server would take is not minted. Raises Invalid."""
    if SUPER_ADMIN in roles and tenant_id != PLATFORM_TENANT:
        raise Invalid(
            f"The role {SUPER_ADMIN} is the deployment's own, no tenant has it: "
            f"`isthmus token {PLATFORM_TENANT} --role {SUPER_ADMIN}`."
        )
