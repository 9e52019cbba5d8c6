"""Files of products from the first byte to the store: formats, errors, crashes, limits, and what comes out again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from tests.beside import SHARED
from tests.given import caps
from tests.given import records as shelf
from tests.given import uploads as given
from tests.house_database import Copy

from isthmus.engine.db import Database
from isthmus.features import records, uploads
from isthmus.features.records import ListingFilter
from isthmus.features.uploads import State, UploadMode, Wish, store
from isthmus.features.uploads.errors import UploadBusy, UploadNotFound, UploadQuota, WrongMapping, WrongPart
from isthmus.features.uploads.service import exporting, managing, receiving, running
from isthmus.features.uploads.service.spooling import spooled
from isthmus.kit.paging import Ask
from isthmus.scope import Scope, System

OURS = "product_id,title,sku,price,stock,option1_name,option1_value\r\n"
GOOD = OURS + "p1,Tea,T-1,2.50,10,Size,S\r\np1,,T-2,3.50,0,,L\r\np2,Mug,M-1,7,5,,\r\n"


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy, tmp_path: Path) -> AsyncIterator[Scope]:
    yield given.scope(database, tmp_path)
    await shelf.clear(copied)


async def _stored(scope: Scope) -> dict[str, dict[str, Any]]:
    page = await records.listings(scope, ListingFilter(), Ask(100))
    return {row["external_id"]: dict(row) for row in page.items}


async def test_rows_of_one_product_become_one_product_with_its_variants_and_options(scope: Scope) -> None:
    upload = await given.taken(scope, GOOD)
    assert (upload.state, upload.format, upload.kind, upload.rows, upload.products) == (
        "succeeded",
        "isthmus",
        "csv",
        3,
        2,
    )
    assert given.counts(upload) == (2, 0, 0, 0)
    found = await _stored(scope)
    assert (found["p1"]["variant_count"], found["p1"]["price"], found["p1"]["stock"]) == (2, "2.50", 10)
    tea = (await records.contents(scope, uploads.OWN.id, ["p1"]))["p1"]
    assert [(one.sku, [(each.name, each.value) for each in one.option_values]) for one in tea.variants] == [
        ("T-1", [("Size", "S")]),
        ("T-2", [("Size", "L")]),
    ]


async def test_the_same_file_twice_changes_nothing_and_says_nothing(scope: Scope) -> None:
    await given.taken(scope, GOOD)
    told = len([one for one in await shelf.events(scope) if one["type"].startswith("listing.")])
    again = await given.taken(scope, GOOD)
    assert given.counts(again) == (0, 0, 2, 0)
    assert len([one for one in await shelf.events(scope) if one["type"].startswith("listing.")]) == told
    changed = await given.taken(scope, GOOD.replace("7,5", "8,5"))
    assert given.counts(changed) == (0, 1, 1, 0)


async def test_a_product_that_comes_twice_is_counted_twice_and_the_later_stays(scope: Scope) -> None:
    upload = await given.taken(scope, OURS + "p1,Tea,T-1,2,1,,\r\np2,Mug,M-1,7,5,,\r\np1,Green tea,T-1,3,1,,\r\n")
    assert (upload.products, given.counts(upload)) == (3, (2, 0, 1, 0))
    assert (await _stored(scope))["p1"]["title"] == "Green tea"


async def test_a_bad_cell_is_named_with_line_column_value_and_reason_and_costs_only_its_product(scope: Scope) -> None:
    rows = (
        OURS
        + "p1,Tea,T-1,abc,10,,\r\np2,Mug,M-1,7,1.5,,\r\np3,,X,1,1,,\r\n,,Y,1,1,,\r\n"
        + 'p4,"Cup\r\nof two lines",C,1,1,,\r\n'
    )
    upload = await given.taken(scope, rows)
    assert (upload.state, given.counts(upload)) == ("succeeded", (1, 0, 0, 4))
    errors = [(one["line"], one["column_name"], one["value"]) for one in await given.wrong(scope, upload)]
    assert errors == [(2, "price", "abc"), (3, "stock", "1.5"), (4, "title", ""), (5, "title", "")]
    assert (await _stored(scope))["p4"]["title"] == "Cup of two lines"


async def test_CS_03_an_unclosed_quote_is_named_by_the_line_it_opens_in(scope: Scope) -> None:
    upload = await given.taken(scope, OURS + 'p1,Tea,T-1,2,1,,\r\np2,"Mug,M-1,7,5,,\r\np3,Cup,C,1,1,,\r\n')
    assert given.counts(upload) == (1, 0, 0, 1)
    (error,) = await given.wrong(scope, upload)
    assert "line 3" in error["reason"]


async def test_CS_03_a_nul_and_broken_bytes_are_errors_of_their_line(scope: Scope) -> None:
    rows = OURS.encode() + b"p1,T\x00ea,T-1,2,1,,\r\np2,M\xffug,M-1,7,5,,\r\np3,Cup,C,1,1,,\r\n"
    upload = await given.taken(scope, rows * 1 + b"p4," + "Tách".encode() + b",D,1,1,,\r\n", format="isthmus")
    assert upload.created + upload.failed == 4
    assert "p1" not in await _stored(scope)


async def test_all_or_nothing_writes_nothing_when_one_row_is_bad_and_everything_when_none_is(scope: Scope) -> None:
    refused = await given.taken(scope, GOOD + "p9,,X,1,1,,\r\n", mode=UploadMode.ALL_OR_NOTHING)
    assert (refused.state, refused.error_code, given.counts(refused)) == (State.FAILED, "ROWS_REFUSED", (0, 0, 0, 1))
    assert await _stored(scope) == {}
    taken = await given.taken(scope, GOOD, mode=UploadMode.ALL_OR_NOTHING)
    assert (taken.state, given.counts(taken), taken.rows) == (State.SUCCEEDED, (2, 0, 0, 0), 3)


async def test_a_check_tells_what_would_happen_and_writes_nothing(scope: Scope) -> None:
    upload = await given.taken(scope, GOOD, mode=UploadMode.CHECK)
    assert (upload.state, given.counts(upload)) == (State.SUCCEEDED, (2, 0, 0, 0))
    assert await _stored(scope) == {}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('[{"id": "j1", "title": "Tea", "price": 2.5, "sku": "T"}, {"id": "j2", "title": "Mug"}]', "json"),
        ('{"shop": {"a": [1]}, "products": [{"id": "j1", "title": "Tea"}, {"id": "j2", "title": "Mug"}]}', "json"),
        ('{"id": "j1", "title": "Tea"}\n\n{"id": "j2", "title": "Mug"}\n', "ndjson"),
    ],
)
async def test_json_comes_as_a_list_as_lines_and_as_a_document(scope: Scope, body: str, kind: str) -> None:
    upload = await given.taken(scope, body, "products.json")
    assert (upload.state, upload.kind, given.counts(upload)) == (State.SUCCEEDED, kind, (2, 0, 0, 0))


async def test_json_variants_keep_their_options_prices_and_stock(scope: Scope) -> None:
    first = '{"id": "v1", "sku": "A", "price": "1.20", "stock": 3, "option1": {"name": "Size", "value": "S"}}'
    variants = f'[{first}, {{"id": "v2"}}]'
    await given.taken(scope, f'[{{"id": "j1", "title": "Tea", "images": ["u1", "u2"], "variants": {variants}}}]')
    tea = (await records.contents(scope, uploads.OWN.id, ["j1"]))["j1"]
    assert [one.external_id for one in tea.variants] == ["v1", "v2"]
    assert (tea.variants[0].available, [image.url for image in tea.images]) == (3, ["u1", "u2"])


async def test_PA_01_broken_json_names_the_record_and_keeps_what_came_before(scope: Scope) -> None:
    upload = await given.taken(scope, '[{"id": "j1", "title": "Tea"}, {"id": "j2", "title": ')
    assert (upload.state, upload.created, upload.failed) == (State.SUCCEEDED, 1, 1)
    deep = await given.taken(scope, "[" + "[" * 100_000)
    assert deep.failed == 1 or deep.state is State.FAILED


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1258"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_encodings_marks_and_separators_are_recognised(scope: Scope, encoding: str, delimiter: str) -> None:
    rows = "product_id,title,sku,price\r\n" + "".join(f"p{n},Café crème n° {n},S{n},{n}.5\r\n" for n in range(1, 9))
    upload = await given.taken(scope, rows.replace(",", delimiter).encode(encoding))
    assert given.counts(upload) == (8, 0, 0, 0)
    assert (await _stored(scope))["p1"]["title"] == "Café crème n° 1"


async def test_lone_carriage_returns_end_lines_too(scope: Scope) -> None:
    assert given.counts(await given.taken(scope, GOOD.replace("\r\n", "\r"))) == (2, 0, 0, 0)


async def test_a_comma_before_the_fraction_is_read_when_said(scope: Scope) -> None:
    rows = 'product_id;title;sku;price\np1;Tea;T;"1.234,50"\n'
    await given.taken(scope, rows, decimal=",")
    assert (await _stored(scope))["p1"]["price"] == "1234.50"


async def test_a_file_that_no_format_knows_asks_for_a_mapping_and_suggests_one(scope: Scope) -> None:
    rows = "Item Number,Product Name,Unit Price,Qty\nA1,Tea,2.50,4\n"
    refused = await given.taken(scope, rows)
    assert (refused.state, refused.error_code) == (State.FAILED, "MAPPING_NEEDED")
    mapping = {
        "key": "Item Number",
        "product": {"title": "Product Name"},
        "variant": {"price": "Unit Price", "stock": "Qty"},
    }
    saved = await managing.save_mapping(scope, "till", mapping)
    upload = await given.taken(scope, rows, mapping_id=saved["id"])
    assert given.counts(upload) == (1, 0, 0, 0)
    with pytest.raises(WrongMapping):
        await given.sent(scope, rows, mapping={"key": "A", "product": {"tenantId": "x", "title": "B"}})


@pytest.mark.parametrize(
    "body", [b"", b"  \n", b"PK\x03\x04zip", b"<?xml version='1.0'?><a/>", b"\x89PNG\r\n", b'"just a text"']
)
async def test_what_is_no_file_of_products_fails_with_a_reason(scope: Scope, body: bytes) -> None:
    if not body:
        upload = await given.sent(scope, b"")
        await running.work(scope, upload.id)
        upload = await uploads.upload(scope, upload.id)
    else:
        upload = await given.taken(scope, body)
    assert upload.state is State.FAILED
    assert upload.error_message


async def test_a_worker_that_dies_between_pages_loses_and_repeats_nothing(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = OURS + "".join(f"p{n},Tea {n},T-{n},2,1,,\r\n" for n in range(10))
    upload = await given.sent(scope, rows)
    write, calls = records.write_listings, 0

    async def cut(*given_: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise asyncio.CancelledError
        return await write(*given_)

    monkeypatch.setattr(records, "write_listings", cut)
    with pytest.raises(asyncio.CancelledError):
        await running.work(scope, upload.id)
    half = await uploads.upload(scope, upload.id)
    assert (half.state, half.created, half.rows) == (State.RUNNING, 3, 3)
    await running.work(scope, upload.id)
    done = await uploads.upload(scope, upload.id)
    assert (done.state, given.counts(done), done.rows, done.fence) == (State.SUCCEEDED, (10, 0, 0, 0), 10, 2)
    told = [one["type"] for one in await shelf.events(scope)]
    assert (told.count("listing.created"), told.count("upload.finished")) == (10, 1)


async def test_files_of_one_tenant_are_written_one_after_the_other(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await given.sent(scope, GOOD), await given.sent(scope, GOOD.replace("Tea", "Green tea"))
    write, inside, go_on = records.write_listings, asyncio.Event(), asyncio.Event()

    async def slow(*given_: Any) -> Any:
        inside.set()
        await go_on.wait()
        return await write(*given_)

    monkeypatch.setattr(records, "write_listings", slow)
    working = asyncio.create_task(running.work(scope, first.id))
    await inside.wait()
    await running.work(scope, second.id)
    assert (await uploads.upload(scope, second.id)).state is State.QUEUED
    go_on.set()
    await working
    async with System(scope.engine).tx() as tx:
        woken = await tx.fetch_sql(
            "select convert_from(payload, 'UTF8')::jsonb ->> 1 as id from queue.pgqueuer where status = 'queued'"
        )
    assert [row["id"] for row in woken].count(second.id) == 2
    await running.work(scope, second.id)
    assert given.counts(await uploads.upload(scope, second.id)) == (0, 1, 1, 0)


async def test_a_stale_worker_writes_nothing(scope: Scope) -> None:
    upload = await given.sent(scope, GOOD)
    async with scope.tx() as tx:
        taken = await store.claim(tx, upload.id, timedelta(seconds=0), scope.now)
    assert taken is not None
    await running.work(scope, upload.id)
    async with scope.tx() as tx:
        assert await store.hold(tx, taken, "own") is None
        assert await store.finish(tx, taken, State.FAILED, scope.now) is None


async def test_cancelling_stops_what_waits_at_once(scope: Scope) -> None:
    upload = await given.sent(scope, GOOD)
    assert (await managing.cancel(scope, upload.id)).state is State.CANCELLED
    await running.work(scope, upload.id)
    assert await _stored(scope) == {}
    with pytest.raises(UploadBusy):
        await managing.cancel(scope, upload.id)


async def test_all_or_nothing_is_not_stopped_once_it_writes(scope: Scope) -> None:
    upload = await given.sent(scope, GOOD, mode=UploadMode.ALL_OR_NOTHING)
    async with scope.tx() as tx:
        taken = await store.claim(tx, upload.id, timedelta(seconds=0), scope.now)
        assert taken is not None
        await store.begin_writing(tx, taken)
    with pytest.raises(UploadBusy, match="ends by itself"):
        await managing.cancel(scope, upload.id)
    await running.work(scope, upload.id)
    assert (await uploads.upload(scope, upload.id)).state is State.SUCCEEDED


async def test_CS_06_parts_go_on_where_the_line_broke_and_never_overlap(scope: Scope) -> None:
    body = GOOD.encode()
    upload = await receiving.begin(scope, Wish(name="p.csv", size=len(body)))
    first = await receiving.receive(scope, upload.id, 0, given.pieces(body[:20]))
    assert first.received == 20
    again = await receiving.receive(scope, upload.id, 0, given.pieces(body[:20]))
    assert again.received == 20
    with pytest.raises(WrongPart) as caught:
        await receiving.receive(scope, upload.id, 30, given.pieces(body[30:]))
    assert caught.value.details == {"received": 20}
    with pytest.raises(WrongPart):
        await receiving.start(scope, upload.id)
    await receiving.receive(scope, upload.id, 20, given.pieces(body[20:]))
    await receiving.start(scope, upload.id)
    await running.work(scope, upload.id)
    assert given.counts(await uploads.upload(scope, upload.id)) == (2, 0, 0, 0)


async def test_CS_06_a_tenant_has_so_many_open_uploads_and_no_more(
    database: Database, copied: Copy, tmp_path: Path
) -> None:
    scope = given.scope(database, tmp_path, open=2, open_bytes=1_000, size=800)
    await receiving.begin(scope, Wish(name="a", size=600))
    with pytest.raises(UploadQuota):
        await receiving.begin(scope, Wish(name="b", size=600))
    await receiving.begin(scope, Wish(name="c"))
    with pytest.raises(UploadQuota) as refused:
        await receiving.begin(scope, Wish(name="d"))
    assert refused.value.details == {"limit": 2, "limitBytes": 1_000}
    assert await caps.shown(scope, "uploads.open_bytes") == (600, 1_000)
    await shelf.clear(copied)


async def test_RL_05_a_file_is_refused_when_the_store_is_full(database: Database, copied: Copy, tmp_path: Path) -> None:
    scope = given.scope(database, tmp_path)
    room = {**scope.engine.parts, records.Settings: records.Settings(stored_bytes=1)}
    full = replace(scope, engine=replace(scope.engine, parts=room))
    await receiving.begin(full, Wish(name="a"))
    await shelf.write(full, shelf.listing("1"))
    with pytest.raises(records.StoreFull) as refused:
        await receiving.begin(full, Wish(name="b"))
    assert (refused.value.status, refused.value.details) == (409, {"limit": 1})
    used, limit = await caps.shown(full, "records.stored_bytes")
    assert used > limit == 1
    await shelf.clear(copied)


async def test_RL_05_uploads_opened_at_the_same_moment_keep_to_the_bound(
    database: Database, copied: Copy, tmp_path: Path
) -> None:
    async with given.scope(database, tmp_path).tx() as tx:
        others, _ = await store.burden(tx)
    scope = given.scope(database, tmp_path, open=others + 3)
    opened = await asyncio.gather(*(receiving.begin(scope, Wish(name="a")) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(one, UploadQuota) for one in opened) == 5
    assert await caps.shown(scope, "uploads.open") == (others + 3, others + 3)
    assert sum(isinstance(one, uploads.Upload) for one in opened) == 3
    await shelf.clear(copied)


async def test_CS_06_parts_count_against_the_quota_and_never_pass_the_size_that_was_said(
    database: Database, copied: Copy, tmp_path: Path
) -> None:
    async with given.scope(database, tmp_path).tx() as tx:
        _, others = await store.burden(tx)
    scope = given.scope(database, tmp_path, open_bytes=others + 100)
    said = await receiving.begin(scope, Wish(name="a", size=10))
    with pytest.raises(WrongPart):
        await receiving.receive(scope, said.id, 0, given.pieces(b"x" * 11))
    unsaid = await receiving.begin(scope, Wish(name="b"))
    await receiving.receive(scope, unsaid.id, 0, given.pieces(b"x" * 90))
    with pytest.raises(UploadQuota):
        await receiving.receive(scope, unsaid.id, 90, given.pieces(b"x"))
    assert (await uploads.upload(scope, unsaid.id)).received == 90
    assert await caps.shown(scope, "uploads.open_bytes") == (others + 100, others + 100)
    await shelf.clear(copied)


async def test_a_file_that_takes_longer_than_a_lease_to_put_in_order_stays_with_its_worker(
    database: Database, copied: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = given.scope(database, tmp_path, lease=timedelta(seconds=1.5))
    upload = await given.sent(scope, GOOD)

    async def slow(*asked: Any) -> Any:
        await asyncio.sleep(2.4)
        return await spooled(*asked)

    monkeypatch.setattr("isthmus.features.uploads.service.running.spooled", slow)
    first = asyncio.create_task(running.work(scope, upload.id))
    await asyncio.sleep(1.9)
    await running.work(scope, upload.id)
    await first
    done = await uploads.upload(scope, upload.id)
    assert (done.state, done.fence, done.deaths, given.counts(done)) == (State.SUCCEEDED, 1, 0, (2, 0, 0, 0))
    await shelf.clear(copied)


async def test_uploads_that_receive_nothing_are_swept_with_their_bytes(
    database: Database, copied: Copy, tmp_path: Path
) -> None:
    scope = given.scope(database, tmp_path, stale=timedelta(0), keep=timedelta(0))
    waiting = await receiving.begin(scope, Wish(name="a"))
    await receiving.receive(scope, waiting.id, 0, given.pieces(b"abc"))
    done = await given.taken(scope, GOOD)
    await asyncio.sleep(0.01)
    await managing.sweep(System(scope.engine))
    for gone in (waiting, done):
        with pytest.raises(UploadNotFound):
            await uploads.upload(scope, gone.id)
    assert await asyncio.to_thread(_files, tmp_path) == []
    await shelf.clear(copied)


async def test_CS_04_a_file_name_is_a_label(scope: Scope) -> None:
    for name, shown in {"../../etc/passwd": "passwd", "..\\..\\x": "x", "a\nb.csv": "a\ufffdb.csv", "": "file"}.items():
        assert receiving.shown_name(name) == shown
    assert len(receiving.shown_name("x" * 300)) == 200


async def test_an_export_is_read_back_without_a_difference(scope: Scope) -> None:
    rows = (
        "product_id,title,sku,price,list_price,stock,description,tags,images,option1_name,option1_value,condition,"
        "product_weight_kg,weight_kg,variant_status,variant_image\r\n"
        'p1,"\'=1+1",T-1,2.50,3,10,<p>a</p>,"a,b",http://x/1 http://x/2,Size,S,used,1.5,0.2,inactive,http://x/v\r\n'
        "p1,,'@x,3.50,,0,,,,,L,,,,,\r\n"
    )
    await given.taken(scope, rows)
    before, whole = await _stored(scope), await records.contents(scope, uploads.OWN.id, ["p1"])
    first = whole["p1"].variants[0]
    assert (before["p1"]["title"], whole["p1"].condition, whole["p1"].weight_kg) == ("=1+1", "used", Decimal("1.5"))
    assert (first.status, first.image_url, first.weight_kg) == ("inactive", "http://x/v", Decimal("0.2"))
    forms: tuple[tuple[Literal["csv", "ndjson"], str], ...] = (("csv", "p.csv"), ("ndjson", "p.json"))
    for form, name in forms:
        file = b"".join([piece async for piece in exporting.exported(scope, form, None)])
        again = await given.taken(scope, file, name)
        assert (given.counts(again), await given.wrong(scope, again)) == ((0, 0, 1, 0), [])
    assert (await _stored(scope), await records.contents(scope, uploads.OWN.id, ["p1"])) == (before, whole)


async def test_a_text_that_no_index_holds_costs_its_product_and_no_other(scope: Scope) -> None:
    words = " ".join(f"w{number}" for number in range(4_000))
    rows = OURS + f"p1,Tea,{words},2,1,,\r\np2,Mug,M-1,7,5,,\r\n"
    upload = await given.taken(scope, rows)
    assert (upload.state, given.counts(upload)) == (State.SUCCEEDED, (1, 0, 0, 1))
    (error,) = await given.wrong(scope, upload)
    told = (error["line"], error["column_name"], error["value"], error["reason"])
    assert told == (2, "sku", words[:200], "this is longer than 200 characters")


#: What the folder of real files holds, and how many products, variants and rows each comes to. None has a row that is
#: refused, and none changes anything when it comes again.
REAL = (
    # Parents name no price; variations name their parent by SKU. One grouped product sells nothing of its own.
    ("sample_products.csv", "woocommerce", 17, 22, 24),
    # The same shop as WordPress writes it: 47 items are 17 products with 7 variations and 21 pictures of them, and the
    # grouped product with its picture, which sell nothing.
    ("sample_products.xml", "woocommerce-xml", 17, 22, 45),
    ("experimental_sample_9_products.csv", "woocommerce", 8, 8, 8),
    ("experimental_fashion_sample_9_products.csv", "woocommerce", 9, 9, 9),
    # 1,847 simple rows are claimed by the packed cells of 147 configurable ones.
    ("magento_configurable_products.csv", "magento", 147, 1_847, 1_994),
    ("magento_gear_bags.csv", "magento-list", 14, 14, 14),
    ("magento_gear_watches.csv", "magento-list", 9, 9, 9),
    ("magento_gear_fitness_equipment.csv", "magento-list", 9, 9, 9),
    ("magento_gear_fitness_equipment_ball.csv", "magento-list", 9, 9, 9),
    # A row without a name is a variant of the product above; two variants share a SKU and are told apart.
    ("vendure_products.csv", "vendure", 54, 88, 88),
    ("shopify_packt.csv", "shopify", 20, 21, 21),
    # Of 721 objects of all kinds, 32 are products and 73 their variants.
    ("saleor_populatedb_data.json", "saleor", 32, 73, 105),
)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "form", "products", "variants", "rows"), REAL)
async def test_real_files_come_in_whole(
    scope: Scope, name: str, form: str, products: int, variants: int, rows: int
) -> None:
    content = await asyncio.to_thread((SHARED / "data" / name).read_bytes)
    upload = await given.taken(scope, content, name)
    assert (upload.state, upload.format, upload.rows) == (State.SUCCEEDED, form, rows)
    assert given.counts(upload) == (products, 0, 0, 0)
    counted = sum(row["variant_count"] for row in await _every(scope))
    assert counted == variants
    again = await given.taken(scope, content, name)
    assert given.counts(again) == (0, 0, products, 0)


@pytest.mark.shared
def test_no_real_file_is_left_out() -> None:
    there = {file.name for file in (SHARED / "data").iterdir()}
    # The invoices become orders of an emulated shop (tests/journeys/test_invoices.py).
    assert there - {row[0] for row in REAL} == {"README.md", "online_retail_12k_orders.csv"}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def _every(scope: Scope) -> list[Any]:
    found: list[Any] = []
    after: str | None = None
    while True:
        page = await records.listings(scope, ListingFilter(), Ask(100, after=after))
        found += page.items
        after = page.next_after
        if after is None:
            return found


async def test_MA_02_a_column_that_names_a_tenant_or_a_role_gives_nobody_anything(
    scope: Scope, database: Database
) -> None:
    rows = OURS.replace("\r\n", ",tenant_id,roles\r\n") + "p1,Tea,T-1,2.50,10,,,ten_two,super_admin\r\n"
    upload = await given.taken(scope, rows)
    assert given.counts(upload) == (1, 0, 0, 0)
    async with database.system() as tx:
        rows_of = await tx.fetch_sql("select distinct tenant_id from listings")
    assert [row["tenant_id"] for row in rows_of] == [scope.tenant_id]
    stored = (await records.contents(scope, uploads.OWN.id, ["p1"]))["p1"]
    assert "super_admin" not in str(stored)
