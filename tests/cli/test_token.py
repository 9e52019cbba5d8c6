"""`isthmus token` says which roles there are before it opens anything."""

import pytest
import typer
from typer.testing import CliRunner

from isthmus.cli.token import check_place, token
from isthmus.kit.errors import Invalid


def test_a_role_that_does_not_exist_is_named_before_anything_is_opened() -> None:
    app = typer.Typer()
    app.command()(token)
    result = CliRunner().invoke(app, ["shop", "--role", "tenant_admin", "--role", "member"])
    assert result.exit_code == 2
    assert "There is no role member" in result.output
    assert "Traceback" not in result.output


def test_a_super_admin_of_a_tenant_is_refused_with_the_command_that_is_meant() -> None:
    with pytest.raises(Invalid, match="isthmus token ten_platform --role super_admin"):
        check_place("ten_01m813eekeqped50wg3azk0eze", ["super_admin"])
    check_place("ten_platform", ["super_admin"])
    check_place("ten_01m813eekeqped50wg3azk0eze", ["tenant_admin"])
