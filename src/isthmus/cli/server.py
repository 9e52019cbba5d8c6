"""Registers the platform's commands; imported only where `isthmus[server]` is installed."""

import typer

from isthmus.cli import (
    admin,
    audit,
    check,
    connector,
    demo,
    function,
    importing,
    listen,
    provider,
    queue,
    sandbox,
    schemes,
    search,
    source,
    tenant,
    token,
    up,
    vault,
)
from isthmus.cli.webhook import webhook


def register(app: typer.Typer) -> None:
    """Add every command of the platform."""
    for command in (demo.demo, up.up, up.serve, up.work, up.migrate, check.check, token.token, sandbox.sandbox):
        app.command()(command)
    app.command("import")(importing.import_)
    app.command()(listen.listen)
    schemes.add(webhook)
    app.add_typer(source.source, name="source")
    app.add_typer(function.function, name="function")
    app.add_typer(tenant.tenant, name="tenant")
    app.add_typer(admin.admin, name="admin")
    app.add_typer(provider.provider, name="provider")
    app.add_typer(queue.queue, name="queue")
    app.add_typer(audit.audit, name="audit")
    app.add_typer(search.search, name="search")
    app.add_typer(vault.vault, name="vault")
    app.add_typer(connector.connector, name="connector")
