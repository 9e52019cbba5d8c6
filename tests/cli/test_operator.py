"""Whoever changes something by a command is named as the operator that they are (security.md SA-05)."""

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from isthmus import cli
from isthmus.cli.operator import operator
from isthmus.kit.permissions import PLATFORM_TENANT

#: What only looks, works without a deployment, or runs one.
LOOKS = {
    "probe", "demo", "up", "serve", "work", "migrate", "check", "sandbox", "listen", "webhook sign", "webhook verify",
    "webhook sign-as", "webhook verify-as", "source list", "function list", "tenant list", "tenant usage",
    "provider list", "provider show", "provider export", "queue list", "audit verify", "audit prove", "audit keys",
    "audit head", "vault status", "connector new", "connector list", "connector verify",
}  # fmt: skip
#: Seals what others did; its checkpoints are the log's own.
SEALS = {"audit seal"}
CHANGES = {
    "token", "import", "source add", "source remove", "function retire", "tenant create", "tenant plan",
    "tenant suspend", "tenant activate", "tenant invite", "tenant delete", "admin invite", "admin reset-factor",
    "provider set", "provider import", "queue resend", "audit rotate-key", "search rebuild", "vault rotate",
    "vault export-key", "vault start-over",
}  # fmt: skip


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from _commands(one, f"{before}{name} ")
        else:
            yield before + name, inspect.unwrap(one.callback)


def _reached(function: Any, seen: set[str]) -> str:
    """The source of a command and of what it calls in its own file."""
    module = sys.modules[function.__module__]
    text = inspect.getsource(function)
    for name, other in vars(module).items():
        if inspect.isfunction(other) and other.__module__ == module.__name__ and name in text and name not in seen:
            seen.add(name)
            text += _reached(other, seen)
    return text


def test_SA_05_every_command_that_changes_something_does_it_as_the_operator() -> None:
    found = dict(_commands(get_command(cli.build())))
    assert set(found) == LOOKS | SEALS | CHANGES
    silent = [name for name in CHANGES if "at_work(platform" not in _reached(found[name], {found[name].__name__})]
    assert silent == []


def test_SA_05_an_operator_is_a_person_at_a_machine() -> None:
    who = operator()
    kind, host, user = who.id.split(":")
    assert (kind, who.tenant_id) == ("operator", PLATFORM_TENANT)
    assert host
    assert user
