"""`isthmus webhook sign-as` and `verify-as`: the schemes of all providers, by hand."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from isthmus.connect import registry
from isthmus.connect.webhooks import Webhooks
from isthmus.features import webhooks_in
from isthmus.kit.clock import SYSTEM
from isthmus.kit.ids import new
from isthmus.kit.secret import Secret

_Provider = Annotated[str, typer.Argument(help="The provider's id, as `isthmus provider list` shows it.")]
_Body = Annotated[str, typer.Argument(help="The file with the raw body; - for standard input.")]
_Url = Annotated[str, typer.Option(help="The address as the provider knows it; some schemes sign it.")]
_App = Annotated[list[str] | None, typer.Option("--app", help="FIELD=VALUE of the app, such as app_key=123.")]
_Headers = Annotated[list[str] | None, typer.Option("--header", "-H", help="`name: value`; may be repeated.")]
_Key = Annotated[
    str,
    typer.Option(
        envvar="ISTHMUS_WEBHOOK_SECRET",
        prompt="Secret",
        hide_input=True,
        help="The provider's secret or key; best given in the environment.",
    ),
]
_ADDRESS = "https://localhost/hooks/token"


def add(webhook: typer.Typer) -> None:
    """Add the commands to `isthmus webhook`."""
    webhook.command("sign-as")(sign_as)
    webhook.command("verify-as")(verify_as)


def sign_as(
    provider: _Provider,
    secret: _Key,
    body: _Body = "-",
    *,
    url: _Url = _ADDRESS,
    app: _App = None,
    header: _Headers = None,
) -> None:
    """Print the headers with which a provider would send this body."""
    unsigned = webhooks_in.request("POST", url, _headers(header), _read(body))
    try:
        signed = webhooks_in.sign(
            unsigned, _scheme(provider), Secret(secret), SYSTEM.now(), app=_pairs(app), message_id=new("msg")
        )
    except ValueError as error:
        _end(str(error))
    for name, value in signed.headers.items():
        typer.echo(f"{name}: {value}")


def verify_as(
    provider: _Provider,
    secret: _Key,
    body: _Body = "-",
    *,
    url: _Url = _ADDRESS,
    app: _App = None,
    header: _Headers = None,
) -> None:
    """Say whether a provider sent this, and why not; ends with 1 where it did not."""
    inbound = webhooks_in.Inbound(webhooks_in.request("POST", url, _headers(header), _read(body)), _pairs(app))
    verdict = webhooks_in.verify(inbound, _scheme(provider), [webhooks_in.LiveSecret(Secret(secret))], SYSTEM.now())
    if not verdict.accepted:
        _end(f"refused: {verdict.reason} ({verdict.text})")
    typer.echo("genuine")


def _scheme(provider: str) -> Webhooks:
    found = registry.discover().get(provider)
    if found is None or found.manifest.webhooks is None or not found.manifest.webhooks.signatures:
        _end(f"{provider} signs no webhooks that could be verified here.")
    return found.manifest.webhooks


def _headers(given: list[str] | None) -> dict[str, str]:
    pairs = _split(given, ":", "`name: value`")
    return {"content-type": "application/json"} | {name.lower(): value for name, value in pairs.items()}


def _pairs(given: list[str] | None) -> dict[str, str]:
    return _split(given, "=", "FIELD=VALUE")


def _split(given: list[str] | None, mark: str, form: str) -> dict[str, str]:
    for one in given or ():
        if not one.partition(mark)[0].strip() or mark not in one:
            _end(f"{one!r} is not {form}.")
    return {name.strip(): value.strip() for name, _, value in (one.partition(mark) for one in given or ())}


def _read(place: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if place == "-" else Path(place).read_bytes()
    except OSError as failure:
        _end(f"{place} cannot be read: {failure.strerror or failure}.")


def _end(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
