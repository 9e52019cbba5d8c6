"""`isthmus webhook`: sign and verify a message by hand; part of the light install."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from isthmus.kit import webhooks
from isthmus.kit.clock import SYSTEM
from isthmus.kit.ids import new
from isthmus.kit.secret import Secret
from isthmus.kit.webhooks import WebhookRefused

webhook = typer.Typer(help="Sign and verify webhooks (Standard Webhooks 1.0.0).", no_args_is_help=True)

_Body = Annotated[str, typer.Argument(help="The file with the raw body; - for standard input.")]
_Key = Annotated[
    str,
    typer.Option(
        envvar="ISTHMUS_WEBHOOK_SECRET",
        prompt="Secret",
        hide_input=True,
        help="whsec_..., or whsk_... to sign and whpk_... to verify; best given in the environment.",
    ),
]


@webhook.command()
def sign(
    secret: _Key,
    body: _Body = "-",
    message_id: Annotated[str, typer.Option("--id", help="The message's id; a fresh one where it is left out.")] = "",
    timestamp: Annotated[int, typer.Option(help="Seconds since 1970; now where it is left out.", min=0)] = 0,
) -> None:
    """Print the three headers of a message."""
    at = timestamp or int(SYSTEM.now().timestamp())
    try:
        headers = webhooks.headers([Secret(secret)], message_id or new("msg"), at, _read(body))
    except ValueError as error:
        _end(str(error))
    for name, value in headers.items():
        typer.echo(f"{name}: {value}")


@webhook.command()
def verify(
    secret: _Key,
    header: Annotated[list[str], typer.Option("--header", "-H", help="`name: value`; give all three.")],
    body: _Body = "-",
    tolerance: Annotated[int, typer.Option(help="Seconds that clocks may differ.", min=0)] = webhooks.TOLERANCE,
) -> None:
    """Say whether a message is genuine, and why not; ends with 1 where it is not."""
    for one in header:
        if not one.partition(":")[1]:
            _end(f"{one!r} is not `name: value`.")
    found = {name.strip(): value.strip() for name, _, value in (one.partition(":") for one in header)}
    try:
        message_id = webhooks.verify(found, _read(body), [Secret(secret)], SYSTEM.now(), tolerance=tolerance)
    except WebhookRefused as refused:
        _end(f"refused: {refused.reason} ({refused})")
    except ValueError as error:
        _end(str(error))
    typer.echo(f"genuine: {message_id}")


def _read(place: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if place == "-" else Path(place).read_bytes()
    except OSError as failure:
        _end(f"{place} cannot be read: {failure.strerror or failure}.")


def _end(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
