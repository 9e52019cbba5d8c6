"""`isthmus provider`: the catalog, providers as files, and app credentials, which never stand on a command line."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from isthmus.app import Platform
from isthmus.cli import drawn
from isthmus.cli.operator import at_work
from isthmus.cli.running import with_platform
from isthmus.connect.manifest import Field
from isthmus.features import catalog
from isthmus.kit import text
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.kit.secret import Secret

provider = typer.Typer(help="Show providers and set their app credentials.", no_args_is_help=True)

_STDIN_LIMIT = 65_536
_DOCUMENT_LIMIT = 200_000
_BRIEF = 80

Name = Annotated[str, typer.Argument(help="Provider id, as `isthmus provider list` shows it.")]
Tenant = Annotated[str, typer.Option(help="A tenant that brings its own app; the whole deployment by default.")]


@provider.command("list")
def list_all() -> None:
    """List every provider with the state of the deployment's app."""
    providers, apps = with_platform(_list)
    states = {one.provider: one.status for one in apps}
    table = drawn.columns("id", "name", "category", "status", "audience", "connector", "app")
    for one in providers:
        state = states.get(one.id, "missing" if any(field.required for field in one.app_fields) else "not needed")
        connector = "there" if one.connectable else "none"
        name = text.terminal(one.display_name)
        table.add_row(one.id, name, one.category, one.status, one.audience, connector, state)
    drawn.show(table)


async def _list(platform: Platform) -> tuple[list[catalog.Provider], list[catalog.AppState]]:
    scope = at_work(platform)
    return await catalog.all_providers(scope), await catalog.apps(scope)


@provider.command()
def show(name: Name, tenant: Tenant = PLATFORM_TENANT) -> None:
    """Show a provider's hosts, callback path and which credentials are set; never their values."""
    shown, apps = with_platform(lambda platform: _show(platform, name, tenant))
    _print(shown, next((one for one in apps if one.provider == name), None))


async def _show(platform: Platform, name: str, tenant: str) -> tuple[catalog.Provider, list[catalog.AppState]]:
    scope = at_work(platform, tenant)
    return await catalog.provider(scope, name, hidden=True), await catalog.apps(scope)


def _print(shown: catalog.Provider, state: catalog.AppState | None) -> None:
    typer.echo(f"{shown.id}: {text.terminal(shown.display_name)} ({shown.category}, {shown.status}, {shown.audience})")
    if state is None:
        typer.echo("no app is set")
    else:
        typer.echo(f"app {state.id}: {state.status}, callback path {state.redirect_path}")
        for host, address in sorted(state.hosts.items()):
            typer.echo(f"  host {host}: {address}")
    given = state.given if state else ()
    for field in shown.app_fields:
        typer.echo(f"  {field.name}: {_described(field, given)}")


def _described(field: Field, given: Sequence[str]) -> str:
    return "set" if field.name in given else "missing" if field.required else "not set (optional)"


@provider.command("set")
def set_app(
    name: Name,
    host: Annotated[list[str] | None, typer.Option(help="NAME=ADDRESS in place of a default host; repeatable.")] = None,
    default_hosts: Annotated[bool, typer.Option("--default-hosts", help="Back to the provider's own hosts.")] = False,
    keep: Annotated[bool, typer.Option("--hosts-only", help="Ask for no credentials.")] = False,
    from_env: Annotated[
        bool, typer.Option("--from-env", help="Take them from ISTHMUS_PROVIDERS__<NAME>__<FIELD>.")
    ] = False,
    tenant: Tenant = PLATFORM_TENANT,
) -> None:
    """Set app credentials: asked for on a terminal, else read from standard input as FIELD=VALUE lines or JSON.

    Changing a host clears every credential that is not given anew.
    """
    hosts = _hosts(host or []) if host or default_hosts else None

    async def apply(platform: Platform) -> tuple[catalog.Provider, catalog.AppState]:
        scope = at_work(platform, tenant)
        shown = await catalog.provider(scope, name, hidden=True)
        environment = platform.settings.environment if from_env else None
        given = None if keep or not shown.app_fields else _credentials(shown, environment)
        return shown, await catalog.set_app(scope, name, credentials=given, hosts=hosts)

    shown, state = with_platform(apply)
    _print(shown, state)


@provider.command("export")
def export_one(
    name: Name,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file in place of the screen.")] = None,
) -> None:
    """Write a provider's document as YAML; no credential is ever in it."""
    told = with_platform(lambda platform: catalog.export_provider(at_work(platform), name))
    if output is None:
        typer.echo(told, nl=False)
    else:
        output.write_text(told, "utf-8")


@provider.command("import")
def import_one(
    file: Annotated[Path, typer.Argument(help="A file that `export` wrote, or `-` for standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would differ.")] = False,
) -> None:
    """Make a provider of a YAML file, or make the one of its id like it, and say what differs."""
    given = read_document(file)
    done = with_platform(lambda platform: catalog.import_provider(at_work(platform), given, dry_run=dry_run))
    typer.echo(f"{done.provider}: {done.outcome}{' (nothing was written)' if dry_run else ''}")
    for one in done.differences:
        typer.echo(text.terminal(f"  {one.path}: {_brief(one.before)} -> {_brief(one.after)}"))


def read_document(file: Path) -> str:
    """The text of a file, or of standard input for `-`. Raises Invalid for what is too large or no text."""
    try:
        given = sys.stdin.read(_DOCUMENT_LIMIT + 1) if str(file) == "-" else _read(file)
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid.field("file", f"The file cannot be read ({type(error).__name__}).") from error
    if len(given) > _DOCUMENT_LIMIT:
        raise Invalid.field("file", f"A provider's file has at most {_DOCUMENT_LIMIT} characters.")
    return given


def _read(file: Path) -> str:
    with file.open(encoding="utf-8") as opened:
        return opened.read(_DOCUMENT_LIMIT + 1)


def _brief(value: object) -> str:
    told = "nothing" if value is None else str(value)
    return told if len(told) <= _BRIEF else told[:_BRIEF] + "..."


def _credentials(shown: catalog.Provider, environment: Mapping[str, str] | None) -> Mapping[str, Secret]:
    if environment is not None:
        return catalog.read_apps(environment).apps.get(shown.id, catalog.GivenApp()).credentials
    return _asked(shown.app_fields) if sys.stdin.isatty() else read_credentials(sys.stdin.read(_STDIN_LIMIT))


def _asked(fields: Sequence[Field]) -> dict[str, Secret]:
    answers = {
        field.name: typer.prompt(
            f"{text.terminal(field.label)} (empty: unchanged)", default="", show_default=False, hide_input=field.secret
        )
        for field in fields
    }
    return {name: Secret(value) for name, value in answers.items() if value}


def read_credentials(given: str) -> dict[str, Secret]:
    """Credentials of FIELD=VALUE lines or one JSON object. Raises Invalid, without any value in it."""
    if not given.lstrip().startswith("{"):
        lines = [line for line in given.splitlines() if line.strip()]
        pairs = [line.partition("=") for line in lines]
        if not all(sign and name.strip() for name, sign, _ in pairs):
            raise Invalid.field("credentials", "Every line is FIELD=VALUE.")
        return {name.strip(): Secret(value.strip()) for name, _, value in pairs}
    try:
        values = msgspec.json.decode(given, type=dict[str, str])
    except msgspec.DecodeError:
        raise Invalid.field("credentials", "This is not a JSON object of texts.") from None
    return {name: Secret(value) for name, value in values.items()}


def _hosts(given: Sequence[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    if not all(sign and name for name, sign, _ in pairs):
        raise Invalid.field("host", "A host is given as NAME=ADDRESS.")
    return {name: address for name, _, address in pairs}
