"""`isthmus connector`: begin a connector, prove one, list those that are there."""

import asyncio
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from isthmus.cli import drawn
from isthmus.cli.running import settings
from isthmus.connect import apart, registry, scaffold
from isthmus.connect.conformance import Finding, Real, broken, check_folder, check_live, check_on
from isthmus.connect.registry import Found
from isthmus.connect.spi import Account, App
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid, NotFound
from isthmus.kit.secret import Secret
from isthmus.kit.text import terminal
from isthmus.sandbox import SandboxServer, Shop
from isthmus.sandbox.stage import SandboxStage

connector = typer.Typer(help="Begin a connector, prove one, list those that are there.", no_args_is_help=True)

_PRODUCTS = 130
_HOME = "isthmus.connectors"

Where = Annotated[Path, typer.Option("--to", file_okay=False, help="Where the folder goes; here by default.")]
Alone = Annotated[bool, typer.Option("--apart", help="In a process of its own, as ISTHMUS_APART__CONNECTORS would.")]
Live = Annotated[bool, typer.Option("--live", help="Also read from the real account that ISTHMUS_LIVE_* describe.")]
LiveApp = Annotated[str, typer.Option(envvar="ISTHMUS_LIVE_APP", hidden=True)]
LiveHosts = Annotated[str, typer.Option(envvar="ISTHMUS_LIVE_HOSTS", hidden=True)]
LiveAccount = Annotated[str, typer.Option(envvar="ISTHMUS_LIVE_ACCOUNT", hidden=True)]
LiveRegion = Annotated[str, typer.Option(envvar="ISTHMUS_LIVE_REGION", hidden=True)]
LiveAccess = Annotated[str, typer.Option(envvar="ISTHMUS_LIVE_ACCESS_TOKEN", hidden=True)]


@connector.command()
def new(
    name: Annotated[str, typer.Argument(help="Small letters, digits and underscores.")], to: Where = Path()
) -> None:
    """Write the folder of a new connector, which passes its suite at once."""
    for path in scaffold.write(name, to):
        typer.echo(path)
    typer.echo(f"\nNext: isthmus connector verify {to / name}")
    typer.echo('A distribution offers it as: [project.entry-points."isthmus.connectors"]')


@connector.command("list")
def list_() -> None:
    """The connectors that are there, and those that an installed distribution offers.

    Allowed ones (`ISTHMUS_ALLOWED_CONNECTORS`) are among the connectors; the others are named and not imported.
    """
    known = settings()
    allowed = known.core.allowed_connectors
    with apart.Cells(known.part(apart.Settings)) as cells:
        connectors = registry.discover(allowed, cells)
    table = drawn.columns("id", "name", "category", "auth", "API", "reads", "writes")
    for found in connectors.values():
        facts = found.manifest
        reads = ", ".join(entity.name for entity in facts.entities) if found.connector else "-"
        writes = ", ".join(facts.writing.fields) if facts.writing is not None else "-"
        table.add_row(facts.id, facts.name, facts.category, facts.auth, facts.api_version, reads, writes)
    console = Console(highlight=False)
    drawn.show(table, console)
    for point in registry.offered():
        if not registry.allows(allowed, point):
            console.print(f"offered, not allowed: {registry.label(point)} ({point.name})", markup=False)


@connector.command()
def verify(
    name: Annotated[str, typer.Argument(help="A connector's id, or the path of a folder that is being written.")],
    alone: Alone = False,
    live: Live = False,
    app: LiveApp = "{}",
    hosts: LiveHosts = "{}",
    account: LiveAccount = "",
    region: LiveRegion = "",
    access: LiveAccess = "",
) -> None:
    """Run the conformance suite. Exit code 1 when a promise is broken.

    With --live: ISTHMUS_LIVE_APP (JSON object of the app's credentials), ISTHMUS_LIVE_ACCOUNT (the shop's id),
    ISTHMUS_LIVE_REGION, ISTHMUS_LIVE_ACCESS_TOKEN, and ISTHMUS_LIVE_HOSTS (JSON object) where they are not the
    manifest's. Only reads; everything else stays marked as emulated.
    """
    with apart.Cells(settings().part(apart.Settings)) as cells:
        found, package = _find(name, cells, alone=alone)
        secrets = {key: Secret(value) for key, value in _object(app, "ISTHMUS_LIVE_APP").items()}
        if live:
            token = {"ISTHMUS_LIVE_ACCESS_TOKEN": access} if found.manifest.auth == "oauth2" else {}
            _check_given(found, secrets, {"ISTHMUS_LIVE_ACCOUNT": account, **token})
        findings = [*check_folder(found), *asyncio.run(_on_stage(found, package))]
        if live:
            real = App(secrets, {**found.manifest.hosts, **_object(hosts, "ISTHMUS_LIVE_HOSTS")})
            findings += asyncio.run(check_live(found, Real(real, Account(account, region=region), Secret(access))))
        walls = cells.walls.get(found.manifest.id, ())
    _print(found, findings)
    if walls:
        typer.echo(f"It ran in a process of its own, behind walls of {', '.join(walls)}.")
    raise typer.Exit(1 if broken(findings) else 0)


def _check_given(found: Found, app: Mapping[str, Secret], given: Mapping[str, str]) -> None:
    """Raise Invalid, naming everything that a live run needs and nobody gave, before anything is run."""
    missing = [name for name, value in given.items() if not value]
    fields = [field.name for field in found.manifest.app_fields if field.required and field.name not in app]
    if fields:
        missing.append(f"ISTHMUS_LIVE_APP with {', '.join(fields)}")
    if missing:
        raise Invalid(f"--live reads from a real account of {found.manifest.name}; set {', '.join(missing)}.")


def _find(name: str, cells: apart.Cells, *, alone: bool) -> tuple[Found, str]:
    """The connector and the package it is. A path is imported from where it stands. Raises NotFound."""
    folder = Path(name)
    if (folder / "manifest.toml").is_file():
        folder = folder.resolve()
        sys.path.insert(0, str(folder.parent))
        return cells.load(folder.name, "") if alone else registry.load(folder, folder.name), folder.name
    known = registry.discover(settings().core.allowed_connectors, cells)
    if name not in known:
        raise NotFound(f"no connector {name!r}; there are {', '.join(known)}, or give the path of a folder")
    found = known[name]
    offered = [point.value for point in registry.offered() if registry.label(point) == found.third_party]
    package = offered[0] if offered else f"{_HOME}.{name}"
    kept = cells.load(package, found.third_party or "") if alone and name not in cells.walls else found
    return kept, package


async def _on_stage(found: Found, package: str) -> list[Finding]:
    """Against the folder's emulator, where it has one, in virtual time."""
    kind = _emulator(package)
    if kind is None:
        return []
    name = found.manifest.id
    async with SandboxServer([name], products=_PRODUCTS, clock=ManualClock(), kinds={name: kind}) as server:
        return await check_on(found, SandboxStage(server.shops[name]))


def _emulator(package: str) -> type[Shop] | None:
    if importlib.util.find_spec(f"{package}.sandbox") is None:
        return None
    kind: type[Shop] = importlib.import_module(f"{package}.sandbox").PLATFORM
    return kind


def _object(text: str, what: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError as error:
        raise Invalid(f"{what} is not a JSON object of texts") from error


def _print(found: Found, findings: list[Finding]) -> None:
    table = Table("check", "evidence", "result", title=f"{found.manifest.name} {found.manifest.api_version}")
    for finding in findings:
        result = "ok" if finding.ok else "BROKEN"
        detail = f"{result} {terminal(finding.detail)}".strip()
        table.add_row(finding.check.replace("_", " "), finding.evidence, detail)
    console = Console(highlight=False)
    console.print(table)
    failed = len(broken(findings))
    console.print(f"{len(findings) - failed} of {len(findings)} promises hold.")
