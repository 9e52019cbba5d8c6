"""The committed reference pages and snapshots are what the code says; `python -m tools.reference` writes them anew."""

import asyncpg
import pytest
from tests.house_database import Copy
from tools.reference import api, code, markdown, snapshots
from tools.reference.__main__ import MADE, ROOT, SCHEMA

from isthmus.engine.db import connect


@pytest.mark.parametrize("name", MADE)
def test_a_committed_reference_is_what_the_code_says(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == MADE[name](), f"{name} differs: run python -m tools.reference"


async def test_the_committed_schema_is_what_the_migrations_make(copied: Copy) -> None:
    connection: asyncpg.Connection = await connect(copied.admin_url)
    try:
        made = await snapshots.schema(connection)
    finally:
        await connection.close()
    assert (ROOT / SCHEMA).read_text("utf-8") == made, "the schema differs: run python -m tools.reference"


def test_every_named_failure_has_a_cause_and_a_cure() -> None:
    silent = [kind.__qualname__ for kind, cause, cure in code.problems() if not (cause and cure)]
    assert silent == [], "the second paragraph of the docstring says what to do"
    assert [kind.__name__ for kind in code.client_errors() if "CURE" not in vars(kind)] == []


def test_every_answer_of_the_api_names_a_documented_code() -> None:
    documented = {kind.code for kind, _, _ in code.problems()}
    answered = {
        each
        for item in api.document()["paths"].values()
        for operation in item.values()
        for answer in operation["responses"].values()
        for each in api.codes(answer)
    }
    assert answered
    assert answered <= documented


def test_a_cell_cannot_leave_its_table() -> None:
    assert markdown.table(("A", "B"), [("x | y", "two\nlines")]) == "| A | B |\n|---|---|\n| x \\| y | two lines |"
