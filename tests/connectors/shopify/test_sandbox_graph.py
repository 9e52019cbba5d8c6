"""The emulated GraphQL of Shopify keeps the rules of reference 6.3 to 6.6, and refuses what it does not know."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from tests.given.marketplaces import Json, fetch

from isthmus.connectors.shopify.sandbox import Shopify
from isthmus.connectors.shopify.sandbox.language import Unreadable, parse
from isthmus.connectors.shopify.sandbox.nodes import utc
from isthmus.kit.clock import ManualClock
from isthmus.sandbox import SandboxServer

SINCE = "updated_at:>='2020-01-01T00:00:00Z'"
PAGE = """query Page($filter: String, $after: String, $size: Int!) {
  products(first: $size, after: $after, query: $filter, sortKey: UPDATED_AT) {
    nodes { legacyResourceId updatedAt } pageInfo { hasNextPage endCursor } } }"""
STOCK = """mutation Stock($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { field code } } }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(["shopify"], products=40, clock=ManualClock()) as running:
        yield running


@pytest.fixture
def shop(server: SandboxServer) -> Shopify:
    shop = server.shops["shopify"]
    assert isinstance(shop, Shopify)
    shop.reset()
    return shop


async def ask(shop: Shopify, document: str, **variables: object) -> Json:
    headers = {"X-Shopify-Access-Token": shop.apps[0].credentials["access_token"]}
    url = f"{shop.base_url}/admin/api/2026-10/graphql.json"
    answer = await fetch("POST", url, json={"query": document, "variables": variables}, headers=headers)
    assert answer.status == 200
    return answer.json


def code(answer: Json) -> str:
    """The code of the error that the whole answer is."""
    [error] = answer["errors"]
    return str(error["extensions"]["code"])


async def test_pages_are_joined_by_cursors_and_hold_every_row_once_by_time_of_change(shop: Shopify) -> None:
    seen: list[tuple[str, str]] = []
    after: str | None = None
    while True:
        page = (await ask(shop, PAGE, filter=SINCE, after=after, size=7))["data"]["products"]
        seen += [(row["updatedAt"], row["legacyResourceId"]) for row in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == sorted(set(seen))
    assert len(seen) == len((await ask(shop, PAGE, filter=SINCE, size=250))["data"]["products"]["nodes"])


async def test_rows_come_as_edges_too_and_by_id_where_no_order_is_said(shop: Shopify) -> None:
    page = "{ products(first: 5) { edges { cursor node { legacyResourceId } } pageInfo { endCursor } } }"
    first = (await ask(shop, page))["data"]["products"]
    more = page.replace("first: 5", f'first: 5, after: "{first["edges"][4]["cursor"]}"')
    rest = (await ask(shop, more))["data"]["products"]
    ids = [int(edge["node"]["legacyResourceId"]) for part in (first, rest) for edge in part["edges"]]
    assert ids == sorted(set(ids))
    assert first["pageInfo"]["endCursor"] == first["edges"][4]["cursor"]


async def test_a_cursor_is_forgotten_after_ten_minutes(shop: Shopify) -> None:
    first = await ask(shop, PAGE, filter=SINCE, size=3)
    shop.clock.advance(601)
    after = first["data"]["products"]["pageInfo"]["endCursor"]
    assert code(await ask(shop, PAGE, filter=SINCE, after=after, size=3)) == "INVALID_CURSOR"


@pytest.mark.parametrize(
    ("document", "variables", "expected"),
    [
        ("query A { shop { moon } }", {}, "undefinedField"),
        ("query A { moons { id } }", {}, "undefinedField"),
        ("mutation A { productDelete(id: 1) { userErrors { field } } }", {}, "undefinedField"),
        ("query A { shop }", {}, "selectionMismatch"),
        ("query A { shop { name { x } } }", {}, "selectionMismatch"),
        ("query A { shop { name }", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ shop { ...Names } }", {}, "GRAPHQL_PARSE_FAILED"),
        ("subscription A { shop { name } }", {}, "GRAPHQL_PARSE_FAILED"),
        (PAGE, {"filter": SINCE}, "INVALID_VARIABLE"),
        (PAGE, {"filter": SINCE, "size": 251}, "BAD_USER_INPUT"),
        (PAGE, {"filter": "title:x", "size": 3}, "BAD_USER_INPUT"),
        (PAGE.replace("sortKey: UPDATED_AT", "sortKey: TITLE"), {"filter": SINCE, "size": 3}, "BAD_USER_INPUT"),
        (PAGE.replace("legacyResourceId", "variants(first: 100) { nodes { id } }"), {"size": 50}, "MAX_COST_EXCEEDED"),
        (STOCK.replace("@idempotent(key: $key)", ""), {"input": {"quantities": []}, "key": "k"}, "BAD_REQUEST"),
    ],
)
async def test_what_the_platform_does_not_take_is_an_error_with_status_200(
    shop: Shopify, document: str, variables: dict[str, object], expected: str
) -> None:
    assert code(await ask(shop, document, **variables)) == expected


async def test_every_answer_tells_its_cost_and_too_few_points_are_a_throttle(shop: Shopify) -> None:
    shop.points.set_rate(10, 60)
    first = (await ask(shop, PAGE, filter=SINCE, size=50))["extensions"]["cost"]
    assert (first["requestedQueryCost"], first["throttleStatus"]["maximumAvailable"]) == (51, 60)
    assert 0 < first["actualQueryCost"] <= 51
    refused = await ask(shop, PAGE, filter=SINCE, size=50)
    assert code(refused) == "THROTTLED"
    cost = refused["extensions"]["cost"]
    wait = (cost["requestedQueryCost"] - cost["throttleStatus"]["currentlyAvailable"]) / 10
    shop.clock.advance(wait)
    assert "data" in await ask(shop, PAGE, filter=SINCE, size=50)


async def test_points_are_apart_from_the_calls_of_rest(shop: Shopify) -> None:
    shop.throttle.set_rate(1, 1)
    for _ in range(3):
        assert "data" in await ask(shop, "query A { shop { name } }")


def quantity(shop: Shopify, **fields: object) -> dict[str, Any]:
    """The input that sets the stock of the first variant of the first product."""
    shelf = shop.sellers[0].shelf
    row = next(row for row in shelf.rows(shelf.ids()) if row.product.status == "active")
    item = f"gid://shopify/InventoryItem/{row.id * 1_000 + 7_000_000_000_000}"
    base = {"inventoryItemId": item, "locationId": "gid://shopify/Location/655441491", "quantity": 3}
    rows = [{**base, "changeFromQuantity": row.product.variants[0].stock, **fields}]
    return {"name": "available", "reason": "correction", "quantities": rows}


async def test_stock_compares_and_complains_with_status_200_and_writes_nothing(shop: Shopify) -> None:
    told = await ask(shop, STOCK, input=quantity(shop, changeFromQuantity=-5), key="a")
    [error] = told["data"]["inventorySetQuantities"]["userErrors"]
    assert error == {
        "field": ["input", "quantities", "0", "changeFromQuantity"],
        "code": "CHANGE_FROM_QUANTITY_STALE",
    }
    assert len(shop.effects) == 0


async def test_a_row_without_a_compare_value_is_refused_and_null_compares_nothing(shop: Shopify) -> None:
    bare = quantity(shop)
    del bare["quantities"][0]["changeFromQuantity"]
    assert code(await ask(shop, STOCK, input=bare, key="a")) == "INVALID_VARIABLE"
    told = await ask(shop, STOCK, input=quantity(shop, changeFromQuantity=None), key="b")
    assert told["data"]["inventorySetQuantities"]["userErrors"] == []


async def test_a_key_answers_the_same_again_and_no_other_request(shop: Shopify) -> None:
    wanted = quantity(shop)
    first = await ask(shop, STOCK, input=wanted, key="a")
    again = await ask(shop, STOCK, input=wanted, key="a")
    assert (first["data"], len(shop.effects)) == (again["data"], 1)
    other = quantity(shop, quantity=9)
    assert code(await ask(shop, STOCK, input=other, key="a")) == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"


async def test_more_than_250_rows_are_refused(shop: Shopify) -> None:
    wanted = quantity(shop)
    wanted["quantities"] *= 251
    assert code(await ask(shop, STOCK, input=wanted, key="a")) == "MAX_INPUT_SIZE_EXCEEDED"


async def test_a_write_moves_the_time_of_change(shop: Shopify) -> None:
    before = shop.clock.unix()
    shop.clock.advance(60)
    await ask(shop, STOCK, input=quantity(shop), key="a")
    page = await ask(shop, PAGE, filter=f"updated_at:>='{utc(before + 1)}'", size=5)
    assert len(page["data"]["products"]["nodes"]) == 1


@given(st.text(alphabet='{}()[]:$@!="# \nabq1.-,', max_size=60) | st.text(max_size=30))
def test_any_document_is_read_or_refused(document: str) -> None:
    for text in (document, f"query A {{ {document} }}", f"mutation A($x: [ID!]!) {{ a(b: {document}) {{ c }} }}"):
        with contextlib.suppress(Unreadable):
            assert parse(text).selected
