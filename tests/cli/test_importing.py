"""`isthmus import`."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import typer
from tests.given import records as shelf
from tests.given import uploads as given
from tests.house_database import Copy

from isthmus.cli import importing
from isthmus.engine.db import Database
from isthmus.features.uploads import State, Wish
from isthmus.scope import Scope


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy, tmp_path: Path) -> AsyncIterator[Scope]:
    yield given.scope(database, tmp_path / "blobs")
    await shelf.clear(copied)


async def test_a_file_is_taken_and_its_errors_are_shown(
    scope: Scope, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.csv"
    file.write_text("product_id,title,sku,price\np1,Tea,T,1\np2,Mug,M,x\n")
    upload, errors = await importing._taken(scope, file, Wish(name=file.name, origin="cli"))
    assert (upload.state, upload.created, upload.failed) == (State.SUCCEEDED, 1, 1)
    importing._show(upload, errors)
    shown = capsys.readouterr().out
    assert "price" in shown
    assert "this is no amount" in " ".join(shown.split())


def test_a_mapping_that_is_no_document_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    file.write_text("[1]")
    with pytest.raises(typer.BadParameter, match=r"m\.json"):
        importing._mapping(file)
    file.write_text(json.dumps({"key": "a"}))
    assert importing._mapping(file) == {"key": "a"}
