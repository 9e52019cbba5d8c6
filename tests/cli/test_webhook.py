"""`isthmus webhook` signs and verifies by hand, and never prints the secret."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from isthmus.cli import schemes
from isthmus.cli.webhook import webhook
from isthmus.kit import webhooks

runner = CliRunner()


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    made = webhooks.new_secret().reveal()
    monkeypatch.setenv("ISTHMUS_WEBHOOK_SECRET", made)
    return made


def test_what_is_signed_is_verified_and_what_was_changed_is_not(secret: str, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_bytes(b'{"n": 1}')
    signed = runner.invoke(webhook, ["sign", str(body)])
    assert signed.exit_code == 0, signed.output
    assert secret not in signed.output
    headers = [part for line in signed.output.splitlines() for part in ("-H", line)]
    assert "genuine: msg_" in runner.invoke(webhook, ["verify", str(body), *headers]).output
    body.write_bytes(b'{"n": 2}')
    refused = runner.invoke(webhook, ["verify", str(body), *headers])
    assert refused.exit_code == 1
    assert "wrong_signature" in refused.output


def test_a_secret_of_no_form_is_named_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ISTHMUS_WEBHOOK_SECRET", "hunter2")
    ended = runner.invoke(webhook, ["sign", "-"], input="x")
    assert ended.exit_code == 1
    assert "whsec_" in ended.output
    assert "hunter2" not in ended.output


def test_any_providers_scheme_is_signed_and_verified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = typer.Typer()
    schemes.add(tool)
    monkeypatch.setenv("ISTHMUS_WEBHOOK_SECRET", "the partner's key")
    body = tmp_path / "body.json"
    body.write_bytes(b'{"shop_id": 1}')
    where = ["--url", "https://hooks.example.com/hooks/one"]
    made = runner.invoke(tool, ["sign-as", "shopee", str(body), *where])
    assert made.exit_code == 0, made.output
    headers = [part for line in made.output.splitlines() for part in ("-H", line)]
    assert "genuine" in runner.invoke(tool, ["verify-as", "shopee", str(body), *where, *headers]).output
    elsewhere = runner.invoke(tool, ["verify-as", "shopee", str(body), *headers])
    assert (elsewhere.exit_code, "wrong_signature" in elsewhere.output) == (1, True)
    assert runner.invoke(tool, ["verify-as", "tiki", str(body)]).exit_code == 1
    assert "the partner" not in made.output


def test_what_is_rubbish_is_named_and_not_a_crash(secret: str, tmp_path: Path) -> None:
    tool = typer.Typer()
    schemes.add(tool)
    body = tmp_path / "body.json"
    body.write_bytes(b"{}")
    nowhere, headless = str(tmp_path / "none.json"), "no header"
    said = {
        "cannot be read": [
            runner.invoke(webhook, ["sign", nowhere]),
            runner.invoke(webhook, ["verify", str(tmp_path), "-H", "webhook-id: 1"]),
            runner.invoke(tool, ["sign-as", "shopee", nowhere]),
        ],
        "is not `name: value`": [
            runner.invoke(webhook, ["verify", str(body), "-H", headless]),
            runner.invoke(tool, ["verify-as", "shopee", str(body), "-H", headless]),
        ],
        "is not FIELD=VALUE": [runner.invoke(tool, ["sign-as", "lazada", str(body), "--app", "app_key"])],
    }
    for words, ended in said.items():
        assert [(one.exit_code, words in one.output, secret in one.output) for one in ended] == [
            (1, True, False)
        ] * len(ended), [one.output for one in ended]
