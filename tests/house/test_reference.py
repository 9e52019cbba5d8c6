"""The committed reference pages and snapshots are what the code says; `python -m tools.reference` writes them anew."""

import re
from pathlib import Path

import asyncpg
import pytest
from tests.house_database import Copy
from tools.house.tree import Source
from tools.reference import api, code, crypto, markdown, snapshots
from tools.reference.__main__ import MADE, ROOT, SCHEMA

from isthmus.app import FEATURES
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


def test_VA_14_each_use_of_cryptography_is_described_and_each_description_is_used(tmp_path: Path) -> None:
    file = tmp_path / "new.py"
    file.write_text("import hashlib\nfrom cryptography.hazmat.primitives import ciphers\nD = hashlib.md5(b'')\n")
    called = crypto.primitives(Source(file, "features/new/model.py"))
    assert called == {"hashlib.md5", "ciphers"}
    with pytest.raises(crypto.Undescribed, match=r"features/new/model\.py"):
        crypto.described({**{place: {"x"} for place in crypto.USES}, "features/new/model.py": called})
    with pytest.raises(crypto.Undescribed, match=r"app/keys\.py"):
        crypto.described({place: {"x"} for place in crypto.USES if place != "app/keys.py"})


def test_VA_14_the_inventory_names_algorithm_key_place_and_rotation_with_events_that_exist() -> None:
    shown = MADE["docs/reference/crypto.md"]()
    assert all(word in shown for word in ("AESGCM", "AES-256-GCM", "`engine/keys/sealing.py`", "vault rotate"))
    emitted = {kind.type for feature in FEATURES for kind in feature.emits}
    told = {one for use in crypto.USES.values() for one in re.findall(r"`([a-z_]+\.[a-z_]+)`", use.rotation)}
    assert told
    assert told <= emitted


def test_a_cell_cannot_leave_its_table() -> None:
    assert markdown.table(("A", "B"), [("x | y", "two\nlines")]) == "| A | B |\n|---|---|\n| x \\| y | two lines |"
