"""Products and listings over HTTP."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.given import records as given
from tests.given.edge import Edge

from isthmus.engine.db import Database
from isthmus.features.records.routes import ListingOut, listings, products
from isthmus.features.records.store import read
from isthmus.kit.permissions import USER
from isthmus.scope import System


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(database: Database) -> AsyncIterator[Edge]:
    """Three listings of tenant a in two connections, one of tenant b."""
    engine = given.engine(database)
    mine, other = given.scope(engine, "ten_a"), given.scope(engine, "ten_b")
    two = given.listing("two", given.variant("v1", "X", price="12.50"), given.variant("v2", "Y", price="8"))
    await given.write(mine, given.listing("one", given.variant("o1", "X")), two, raw=b'{"big": 12345678901234567890}')
    evil = given.listing("three", description_html="<p onclick='x()'>Tea<script>alert(1)</script></p>")
    await given.write(mine, evil, origin=given.Origin("con_two", "other"), raw=b"<html>")
    await given.write(other, given.listing("one"))
    yield Edge(System(engine), products, listings)


def test_an_answer_is_filled_by_place_so_fields_and_columns_stand_in_one_order() -> None:
    assert tuple(column.name for column in read._SHOWN) == ListingOut.__struct_fields__


async def test_products_come_with_their_listings(edge: Edge) -> None:
    answer = await edge.get("/api/products", role=USER)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (len(body["items"]), body["limit"], body["hasMore"]) == (3, 50, False)
    two = next(one for one in body["items"] if one["listings"][0]["externalId"] == "two")
    assert (two["price"], two["currency"], two["stock"]) == ("8", "VND", 10)
    assert two["listings"][0]["variantCount"] == 2
    assert (await edge.get(f"/api/products/{two['id']}")).json() == two


async def test_a_listing_shows_its_record_its_variants_and_on_request_what_was_sent(edge: Edge) -> None:
    rows = (await edge.get("/api/listings", query={"sku": "Y"})).json()["items"]
    assert [row["externalId"] for row in rows] == ["two"]
    plain = (await edge.get(f"/api/listings/{rows[0]['id']}")).json()
    assert "raw" not in plain
    assert {one["sku"]: one["duplicateSku"] for one in plain["variants"]} == {"X": True, "Y": False}
    assert plain["record"]["title"] == plain["title"]
    full = await edge.get(f"/api/listings/{rows[0]['id']}", query={"include": "raw"})
    assert '"raw":{"big": 12345678901234567890}' in full.text
    three = (await edge.get("/api/listings", query={"connectionId": "con_two"})).json()["items"][0]
    assert (await edge.get(f"/api/listings/{three['id']}", query={"include": "raw"})).json()["raw"] == "<html>"


async def test_prices_are_written_in_digits_however_round_they_are(edge: Edge, database: Database) -> None:
    round_ = given.listing("round", given.variant("r1", "R", price="50000"), given.variant("r2", "S", price="20000000"))
    await given.write(given.scope(given.engine(database), "ten_round"), round_)
    [product] = (await edge.get("/api/products", tenant="ten_round")).json()["items"]
    assert (product["price"], product["listings"][0]["price"]) == ("50000", "50000")
    shown = (await edge.get(f"/api/listings/{product['listings'][0]['id']}", tenant="ten_round")).json()
    prices = {(one["price"], one["listPrice"]) for one in shown["variants"]}
    assert prices == {("50000", "50000"), ("20000000", "20000000")}


async def test_CP_02_html_from_outside_is_shown_without_anything_that_runs(edge: Edge) -> None:
    three = (await edge.get("/api/listings", query={"connectionId": "con_two"})).json()["items"][0]
    record = (await edge.get(f"/api/listings/{three['id']}")).json()["record"]
    assert record["description_html"] == "<p>Tea</p>"


async def test_filters_are_named_as_the_contract_names_them(edge: Edge) -> None:
    for query, expected in (
        ({"provider": "other"}, {"three"}),
        ({"minPrice": "9", "maxPrice": "11"}, {"one", "three"}),
        ({"minStock": 6}, {"two"}),
        ({"status": "banned"}, set()),
        ({"updatedSince": "2020-01-01T00:00:00Z", "search": "ÁO"}, {"one", "two", "three"}),
        ({"updatedSince": "2999-01-01T00:00:00Z"}, set()),
    ):
        answer = await edge.get("/api/listings", query=query)
        assert {row["externalId"] for row in answer.json()["items"]} == expected, query
    for wrong in (
        {"status": "lost"},
        {"minPrice": "NaN"},
        {"limit": 101},
        {"updatedSince": "2020-01-01T00:00:00"},
        {"q": 1},
    ):
        assert (await edge.get("/api/listings", query=wrong)).status_code == 400, wrong


async def test_a_cursor_goes_through_every_row_and_counts_for_its_own_list_only(edge: Edge) -> None:
    seen: list[str] = []
    query: dict[str, object] = {"limit": 2}
    while True:
        body = (await edge.get("/api/listings", query=query)).json()
        seen += [row["externalId"] for row in body["items"]]
        if "nextCursor" not in body:
            break
        query["cursor"] = body["nextCursor"]
    assert sorted(seen) == ["one", "three", "two"]
    assert (await edge.get("/api/listings", tenant="ten_b", query=query)).status_code == 400


async def test_duplicate_skus_of_a_connection_are_listed(edge: Edge) -> None:
    body = (await edge.get("/api/listings/duplicate-skus", query={"connectionId": "con_one"})).json()
    assert body["items"] == [{"sku": "X", "variants": 2}]


async def test_TN_01_an_object_of_another_tenant_looks_like_one_that_never_existed(edge: Edge) -> None:
    listing = (await edge.get("/api/listings")).json()["items"][0]
    for path, real, none in (
        ("/api/listings", listing["id"], "lst_00000000000000000000000000"),
        ("/api/products", listing["productId"], "prd_00000000000000000000000000"),
    ):
        foreign = await edge.get(f"{path}/{real}", tenant="ten_b")
        missing = await edge.get(f"{path}/{none}", tenant="ten_b")
        assert foreign.status_code == missing.status_code == 404
        assert foreign.json()["error"]["message"] == missing.json()["error"]["message"]
    rows = (await edge.get("/api/listings", tenant="ten_b", query={"connectionId": "con_two"})).json()["items"]
    assert rows == []
    duplicates = await edge.get("/api/listings/duplicate-skus", tenant="ten_b", query={"connectionId": "con_one"})
    assert duplicates.json()["items"] == []


async def test_TN_01_who_has_no_role_reads_nothing(edge: Edge) -> None:
    for path in ("/api/listings", "/api/products", "/api/listings/x", "/api/products/x"):
        assert (await edge.get(path, role="")).status_code == 403
