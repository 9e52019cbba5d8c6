"""Every fault does to a request what its description says, and the recording knows it."""

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from tests.given.marketplaces import Answer, LazadaUser, ShopeeUser, TikiUser, fetch

from isthmus.kit.clock import ManualClock
from isthmus.sandbox import SandboxServer

PRODUCTS = "/integration/v2/products"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(products=30, clock=ManualClock()) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def user(server: SandboxServer) -> TikiUser:
    shop = server.shops["tiki"]
    shop.reset()
    user = TikiUser(shop)
    await user.connect()
    return user


async def read(user: TikiUser) -> Answer:
    return await user.get("/products")


async def test_a_server_error_is_an_html_page(user: TikiUser) -> None:
    user.shop.faults.add(PRODUCTS, "server_error", 1)
    user.shop.faults.add(PRODUCTS, "server_error", 1, status=503)
    answers = [await read(user) for _ in range(3)]
    assert [answer.status for answer in answers] == [502, 503, 200]
    assert answers[0].headers["content-type"].startswith("text/html")


async def test_a_wrong_content_type_comes_with_200(user: TikiUser) -> None:
    user.shop.faults.add(PRODUCTS, "html", 1)
    answer = await read(user)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body.startswith(b"<!doctype html>")


async def test_a_truncated_answer_is_half_a_json(user: TikiUser) -> None:
    whole = (await read(user)).body
    user.shop.faults.add(PRODUCTS, "truncate", 1)
    half = (await read(user)).body
    assert half == whole[: len(whole) // 2]
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(half)


@pytest.mark.parametrize("kind", ["reset", "cut", "drop_reply"])
async def test_a_broken_connection_is_seen_as_one(user: TikiUser, kind: str) -> None:
    user.shop.faults.add(PRODUCTS, kind, 2)  # the client sends a lost GET once more by itself
    with pytest.raises(aiohttp.ClientError):
        await read(user)
    assert user.shop.recording.requests[-1].fault == kind
    user.shop.faults.clear()
    assert (await read(user)).status == 200


async def test_a_dropped_reply_has_all_its_effects(user: TikiUser) -> None:
    user.shop.faults.add("*/token", "drop_reply", 1)
    refresh = {"grant_type": "refresh_token", "refresh_token": user.refresh}
    with pytest.raises(aiohttp.ClientError):
        await user.token(**refresh)
    assert user.shop.recording.counts["refresh"] == 1
    assert (await user.token(**refresh)).json["error"] == "invalid_grant"


async def test_latency_waits_and_a_hang_never_answers(user: TikiUser) -> None:
    loop = asyncio.get_running_loop()
    user.shop.faults.add(PRODUCTS, "latency", 1, seconds=0.1)
    start = loop.time()
    assert (await read(user)).status == 200
    assert loop.time() - start >= 0.1
    user.shop.faults.add(PRODUCTS, "hang", 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(user), 0.15)


async def test_a_slow_body_arrives_whole(user: TikiUser) -> None:
    whole = (await read(user)).body
    user.shop.faults.add(PRODUCTS, "slow_body", 1, seconds=0.1)
    assert (await read(user)).body == whole


async def test_an_expired_token_can_be_refreshed_and_a_revoked_one_cannot(user: TikiUser) -> None:
    user.shop.faults.add(PRODUCTS, "expired_token", 1)
    assert (await read(user)).status == 401
    user.keep(await user.token(grant_type="refresh_token", refresh_token=user.refresh))
    assert (await read(user)).status == 200
    user.shop.faults.add(PRODUCTS, "revoked_token", 1)
    assert (await read(user)).status == 401
    again = await user.token(grant_type="refresh_token", refresh_token=user.refresh)
    assert again.json["error"] == "invalid_grant"


async def test_a_changed_order_moves_rows_between_pages(user: TikiUser) -> None:
    first = [row["product_id"] for row in (await read(user)).json["data"]]
    user.shop.faults.add(PRODUCTS, "reorder", 1)
    moved = [row["product_id"] for row in (await read(user)).json["data"]]
    assert moved[1:] == first[:-1]
    assert moved[0] not in first


async def test_SS_14_fields_are_laid_over_an_answer_at_any_depth(user: TikiUser) -> None:
    plain = (await read(user)).json
    user.shop.faults.add(PRODUCTS, "patch", 1, body={"paging": {"total": 0, "last_page": 10**9}})
    lying = (await read(user)).json
    assert lying["data"] == plain["data"]
    assert lying["paging"] == {**plain["paging"], "total": 0, "last_page": 10**9}


async def test_fields_are_overwritten_and_whole_answers_replaced(user: TikiUser) -> None:
    user.shop.faults.add("*/token", "patch", 1, body={"expires_in": -1})
    reply = (await user.token(grant_type="refresh_token", refresh_token=user.refresh)).json
    assert reply["expires_in"] == -1
    assert reply["access_token"]
    user.shop.faults.add(PRODUCTS, "replace", 1, status=418, body={"x": [1]})
    answer = await read(user)
    assert (answer.status, answer.json) == (418, {"x": [1]})


async def test_the_throttle_fault_speaks_each_platforms_language(server: SandboxServer) -> None:
    for shop in server.shops.values():
        shop.faults.add("*", "throttle", 1)
    tiki = await fetch("GET", f"{server.shops['tiki'].base_url}{PRODUCTS}")
    lazada = await LazadaUser(server.shops["lazada"]).call("/products/get")
    shopee = await ShopeeUser(server.shops["shopee"]).get("product/get_item_list")
    assert (tiki.status, "errors" in tiki.json) == (429, True)
    assert (lazada.status, lazada.json["code"]) == (200, "ApiCallLimit")
    assert (shopee.status, shopee.json["error"]) == (200, "error_rate_limit")


async def test_a_request_that_is_too_large_is_refused(user: TikiUser) -> None:
    answer = await fetch("POST", f"{user.shop.base_url}/sc/oauth2/token", data=io.BytesIO(b"x" * (1 << 21)))
    assert answer.status == 413


async def test_a_request_that_hangs_does_not_hold_up_the_end() -> None:
    loop = asyncio.get_running_loop()
    async with SandboxServer(["tiki"], products=1) as server:
        server.shops["tiki"].faults.add("*", "hang")
        hanging = asyncio.create_task(fetch("GET", f"{server.shops['tiki'].base_url}/x"))
        await asyncio.sleep(0.05)
        start = loop.time()
    assert loop.time() - start < 1
    with pytest.raises(aiohttp.ClientError):
        await hanging
