"""The commands, one file each. `probe` and `webhook` belong to the light install; the rest needs `isthmus[server]`."""

import importlib
import importlib.util

import typer

from isthmus.cli.probe import probe
from isthmus.cli.webhook import webhook
from isthmus.kit.memory import collect_less_often

#: What the platform's commands need and the light install does not have.
_SERVER_ONLY = ("asyncpg", "fastapi", "alembic", "cryptography")


def build() -> typer.Typer:
    """The command line as far as this install goes."""
    collect_less_often()  # before the rest is imported, which leaves nothing to collect
    app = typer.Typer(
        name="isthmus",
        help="Connect a product to its customers' other systems: marketplaces, CRMs, payment gateways, any API.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command()(probe)
    app.add_typer(webhook, name="webhook")
    if all(importlib.util.find_spec(name) for name in _SERVER_ONLY):
        # imported by name: the light install has none of what these commands import
        importlib.import_module("isthmus.cli.server").register(app)
    else:
        app.callback(epilog=r"Install isthmus\[server] for the platform's commands.")(_nothing)
    return app


def _nothing() -> None:
    """Call APIs that misbehave, and see what happens."""
