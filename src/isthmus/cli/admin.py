"""`isthmus admin`: the people who run the deployment, the first of whom comes from this machine (security.md SA-02)."""

import os
from pathlib import Path
from typing import Annotated

import typer

from isthmus.app import Platform
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.features import access
from isthmus.kit.paging import MAX_LIMIT, Ask
from isthmus.kit.permissions import SUPER_ADMIN

admin = typer.Typer(help="Invite super admins of the deployment, and help them in.", no_args_is_help=True)


@admin.command()
def invite(
    email: Annotated[str, typer.Argument(help="Whom to invite.")],
    file: Annotated[Path, typer.Option(help="A new file for the invitation, which only this user may read.")] = Path(
        "super-admin.invitation"
    ),
) -> None:
    """Make an account for a super admin. The invitation goes into a file; `POST /api/auth/accept` takes it up once."""
    until = with_platform(lambda platform: _invited(platform, email, file)).until
    typer.echo(f"{file}  until {until:%Y-%m-%d %H:%M} UTC")


async def _invited(platform: Platform, email: str, file: Path) -> access.Shown:
    held = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(held, "w", encoding="ascii") as out:
        try:
            made = await access.invite(at_work(platform), email, [SUPER_ADMIN])
        except BaseException:
            os.unlink(file)  # noqa: PTH108 - within a millisecond, and nothing else runs in this command
            raise
        out.write(made.shown.reveal() + "\n")
    return made


@admin.command("reset-factor")
def reset_factor(email: Annotated[str, typer.Argument(help="Whose second factor is lost.")]) -> None:
    """Take a super admin's second factor away: all sessions end, and the next sign-in has to get another one first."""
    typer.echo(with_platform(lambda platform: _reset(platform, email)))


async def _reset(platform: Platform, email: str) -> str:
    scope = at_work(platform)
    page = await access.members(scope, Ask(limit=MAX_LIMIT))
    found = next((one for one in page.items if one.email == email.strip().lower()), None)
    if found is None:
        raise access.MemberNotFound(f"There is no super admin {email!r}.")
    await access.remove_factor(scope, found.id)
    return f"{found.id}  {found.email}"
