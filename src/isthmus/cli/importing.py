"""`isthmus import`: a file of products into a tenant's catalogue, from the machine that runs the platform."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table

from isthmus.app import Platform
from isthmus.cli import drawn
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.features import access, uploads
from isthmus.features.uploads import State, Upload, UploadMode, Wish
from isthmus.kit import text
from isthmus.kit.paging import Ask
from isthmus.scope import Scope

_PIECE = 262_144
_SHOWN = 20


def import_(
    file: Annotated[Path, typer.Argument(help="CSV or JSON file of products.", exists=True, dir_okay=False)],
    tenant: Annotated[str, typer.Option(help="Tenant id (ten_...) or its slug.")],
    mode: Annotated[
        UploadMode | None, typer.Option(help="What happens to good rows when there are bad ones; as configured.")
    ] = None,
    form: Annotated[str | None, typer.Option("--format", help="A known format; recognised when left out.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="JSON file that says which columns mean what.", exists=True, dir_okay=False)
    ] = None,
    currency: Annotated[str | None, typer.Option(help="For prices that name none, such as VND.")] = None,
) -> None:
    """Read a file of products, check it row by row and write what differs; a second run changes nothing."""
    wish = Wish(
        name=file.name,
        mode=mode,
        format=form,
        mapping=None if mapping is None else _mapping(mapping),
        currency=currency,
        origin="cli",
    )

    async def taken(platform: Platform) -> tuple[Upload, list[Any]]:
        found = await access.find_tenant(platform.system, tenant)
        return await _taken(at_work(platform, found.id), file, wish)

    upload, errors = with_platform(taken)
    _show(upload, errors)
    if upload.state is not State.SUCCEEDED or upload.failed:
        raise typer.Exit(1)


def _mapping(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise typer.BadParameter(f"{file.name} is no JSON document: {error}") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{file.name} holds no JSON document")
    return found


async def _taken(scope: Scope, file: Path, wish: Wish) -> tuple[Upload, list[Any]]:
    sent = await uploads.send(scope, wish, _pieces(file))
    working = asyncio.create_task(uploads.work(scope, sent.id))
    with Progress(TextColumn("{task.description}"), console=Console(stderr=True), transient=True) as progress:
        shown = progress.add_task("")
        while (upload := await uploads.upload(scope, sent.id)).finished_at is None:
            progress.update(shown, description=f"{upload.rows:,} rows, {upload.failed:,} refused")
            await asyncio.wait({working}, timeout=0.3)
            if working.done():
                working.result()
    await working
    page = await uploads.errors(scope, sent.id, Ask(_SHOWN))
    return upload, list(page.items)


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while piece := await asyncio.to_thread(opened.read, _PIECE):
            yield piece


def _show(upload: Upload, errors: list[Any]) -> None:
    console = Console(highlight=False)
    counts = Table("file", "format", "rows", "created", "updated", "unchanged", "refused")
    numbers = (upload.rows, upload.created, upload.updated, upload.unchanged, upload.failed)
    counts.add_row(text.terminal(upload.name), upload.format or "", *(f"{number:,}" for number in numbers))
    drawn.show(counts, console)
    if upload.error_message:
        console.print(text.terminal(f"{upload.error_code}: {upload.error_message}"))
    if errors:
        wrong = Table("line", "column", "value", "reason")
        for one in errors:
            cells = (one["column_name"], one["value"], one["reason"])
            wrong.add_row(str(one["line"]), *(text.terminal(cell) for cell in cells))
        drawn.show(wrong, console)
        if upload.errors > len(errors):
            console.print(f"... and {upload.errors - len(errors):,} more; see the upload {upload.id}")
