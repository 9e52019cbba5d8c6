"""Whatever is in a file, its sender is told what happened, why, and what to do."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.given import records as shelf
from tests.given import uploads as given
from tests.house_database import Copy

from isthmus.engine.blobs import BlobTooLarge
from isthmus.engine.db import Database
from isthmus.features import records, uploads
from isthmus.features.uploads import State
from isthmus.features.uploads.service import receiving
from isthmus.scope import Scope

OURS = "product_id,title,sku,price\r\n"
GOOD = OURS + "p1,Tea,T-1,2.50\r\n"
DEEP = '{"a":' * 10_000 + "1" + "}" * 10_000


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy, tmp_path: Path) -> AsyncIterator[Scope]:
    yield given.scope(database, tmp_path)
    await shelf.clear(copied)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (GOOD.replace(",", "~"), ("MAPPING_NEEDED", "product_id~title~sku~price", "by commas")),
        ("foo,bar\r\n1,2\r\n", ("MAPPING_NEEDED", "foo, bar", "preview")),
        (",".join(f"c{n}" for n in range(30)) + "\r\n1\r\n", ("MAPPING_NEEDED", "c11 and 18 more", "mapping")),
        (b"\x01\x02\x00\x03" + bytes(range(1, 90)), ("UNREADABLE_FILE", "NUL", "Save it as CSV")),
        (f"[{DEEP}]", ("UNREADABLE_FILE", "The first record", "nested too deeply", "send it again")),
        (DEEP, ("UNREADABLE_FILE", "nested too deeply")),
        ("<products><product><title>Tea", ("UNREADABLE_FILE", "The first record", "broken")),
        ("[]", ("UNREADABLE_FILE", "no record")),
    ],
)
async def test_a_file_that_cannot_be_read_says_why_and_what_to_do(
    scope: Scope, content: bytes | str, told: tuple[str, ...]
) -> None:
    upload = await given.taken(scope, content)
    assert (upload.state, upload.error_code) == (State.FAILED, told[0])
    for part in told[1:]:
        assert part in str(upload.error_message)


async def test_a_column_that_a_mapping_asks_for_and_the_file_lacks_is_named_with_those_it_has(scope: Scope) -> None:
    upload = await given.taken(scope, GOOD, mapping={"key": "sku", "product": {"title": "Bezeichnung"}})
    assert upload.error_message == "the file has no column 'Bezeichnung' for the title; it has " + OURS.strip().replace(
        ",", ", "
    )


async def test_a_record_that_cannot_be_read_costs_itself_also_when_it_is_the_first(scope: Scope) -> None:
    upload = await given.taken(scope, f'{{"id": "j1", "x": {DEEP}}}\n{{"id": "j2", "title": "Mug"}}\n', "p.json")
    assert (upload.state, given.counts(upload)) == (State.SUCCEEDED, (1, 0, 0, 1))
    (error,) = await given.wrong(scope, upload)
    assert (error["line"], error["reason"]) == (1, "this is no JSON object: it is nested too deeply")


async def test_cells_behind_the_last_column_are_refused_and_empty_ones_are_not(scope: Scope) -> None:
    rows = OURS + "p1,Tea, green,T-1,2\r\np2,Mug,M-1,7,,\r\n"
    upload = await given.taken(scope, rows)
    assert given.counts(upload) == (1, 0, 0, 1)
    (error,) = await given.wrong(scope, upload)
    assert (error["line"], "5 cells and the header 4" in error["reason"]) == (2, True)


async def test_a_quote_that_is_never_closed_and_a_cell_that_is_too_large_are_told_apart(scope: Scope) -> None:
    unclosed = await given.taken(scope, OURS + 'p1,"Tea,T-1,2\r\n')
    assert (await given.wrong(scope, unclosed))[0][
        "reason"
    ] == "a quote that opens in the record of line 2 is never closed"
    large = await given.taken(scope, OURS + "p1," + "x" * 1_100_000 + ",T-1,2\r\n")
    assert "larger than 1 MiB" in (await given.wrong(scope, large))[0]["reason"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
async def test_UTF_16_is_read_without_its_mark(scope: Scope, encoding: str) -> None:
    upload = await given.taken(scope, (OURS + "p1,Áo thun,T-1,2\r\n").encode(encoding))
    assert (upload.state, upload.encoding, given.counts(upload)) == (State.SUCCEEDED, encoding, (1, 0, 0, 0))


async def test_a_JSON_product_without_variants_says_itself_what_it_costs(scope: Scope) -> None:
    flat = (
        '[{"id": "j1", "title": "Tea", "sku": "T-1", "price": 1e2, "listPrice": "120", "stock": 4, "barcode": "893"}]'
    )
    await given.taken(scope, flat, "p.json")
    (variant,) = (await records.contents(scope, uploads.OWN.id, ["j1"]))["j1"].variants
    assert variant.price is not None
    assert (variant.external_id, variant.sku, variant.barcode, variant.available) == ("T-1", "T-1", "893", 4)
    assert (str(variant.price.current_price), str(variant.price.list_price)) == ("100", "120")


async def test_a_file_that_is_too_large_is_refused_and_not_put_off(scope: Scope) -> None:
    with pytest.raises(BlobTooLarge):
        await receiving.begin(scope, given.wish("p.csv", size=2_000_000_000))


@pytest.mark.parametrize("escape", [r"\ud800", r"\u0000", r"\udc00\ud800"])
@pytest.mark.parametrize("place", ["title", "sku", "x{}"])
async def test_PA_01_what_JSON_can_escape_and_no_text_can_hold_costs_its_product_and_no_other(
    scope: Scope, escape: str, place: str
) -> None:
    bad = {"id": "j1", "title": "Tea", "price": "2"} | {place.format("@"): "a@b"}
    good = {"id": "j2", "title": "Mug", "price": "3"}
    upload = await given.taken(scope, json.dumps([bad, good]).replace("@", escape))
    assert (upload.state, given.counts(upload)) == ("succeeded", (1, 0, 0, 1))
    (error,) = await given.wrong(scope, upload)
    assert error["line"] == 1
    assert "character" in error["reason"]
