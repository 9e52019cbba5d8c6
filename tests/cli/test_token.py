"""`isthmus token` says which roles there are before it opens anything."""

import typer
from typer.testing import CliRunner

from isthmus.cli.token import token


def test_a_role_that_does_not_exist_is_named_before_anything_is_opened() -> None:
    app = typer.Typer()
    app.command()(token)
    result = CliRunner().invoke(app, ["shop", "--role", "tenant_admin", "--role", "member"])
    assert result.exit_code == 2
    assert "There is no role member" in result.output
    assert "Traceback" not in result.output
