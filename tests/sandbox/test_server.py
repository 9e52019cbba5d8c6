"""Servers start on loopback, repeat for the same seed, and say clearly why they cannot start."""

import inspect
import time
from pathlib import Path

import pytest
from tests.given.marketplaces import LazadaUser, ShopeeUser, TikiUser

from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import NotFound, Unavailable
from isthmus.sandbox import SandboxServer, discover, generate


async def session(server: SandboxServer) -> list[bytes]:
    """A round of calls on every platform; returns the bodies."""
    shops = server.shops
    tiki, lazada, shopee = TikiUser(shops["tiki"]), LazadaUser(shops["lazada"]), ShopeeUser(shops["shopee"])
    await tiki.connect()
    await lazada.connect()
    await shopee.connect()
    bodies = [(await tiki.get("/products", limit=50, include="inventory,attributes,images,categories")).body]
    bodies.append((await lazada.call("/products/get", filter="all", limit=50)).body)
    listed = await shopee.get("product/get_item_list", [("page_size", 50), ("item_status", "NORMAL")])
    ids = ",".join([str(item["item_id"]) for item in listed.json["response"]["item"]])
    bodies += [listed.body, (await shopee.get("product/get_item_base_info", [("item_id_list", ids)])).body]
    return [*bodies, tiki.refresh.encode(), lazada.refresh.encode(), shopee.refresh.encode()]


async def test_the_same_seed_gives_the_same_bytes_and_a_reset_the_first_moment() -> None:
    async with SandboxServer(seed=5, products=40, clock=ManualClock()) as first:
        once = await session(first)
        first.shops["tiki"].add_product()
        for shop in first.shops.values():
            shop.reset()
        assert await session(first) == once
    async with SandboxServer(seed=5, products=40, clock=ManualClock()) as second:
        assert await session(second) == once
    async with SandboxServer(seed=6, products=40, clock=ManualClock()) as other:
        assert not set(await session(other)) & set(once)


async def test_fifty_thousand_products_are_there_in_seconds_and_drawn_page_by_page() -> None:
    start = time.process_time()
    async with SandboxServer(["shopee"], products=50_000, clock=ManualClock()) as server:
        user = ShopeeUser(server.shops["shopee"])
        await user.connect()
        query: list[tuple[str, object]] = [("page_size", 100), ("offset", 9_900), ("item_status", "NORMAL")]
        page = (await user.get("product/get_item_list", query)).json["response"]
    assert len(page["item"]) == 100
    assert page["total_count"] > 40_000
    assert time.process_time() - start < 3


async def test_a_catalogue_fills_the_main_shops() -> None:
    catalogue = list(generate(9, 5))
    async with SandboxServer(["lazada"], catalogue=catalogue, clock=ManualClock()) as server:
        user = LazadaUser(server.shops["lazada"])
        await user.connect()
        found = (await user.call("/products/get", filter="all")).json["data"]["products"]
        assert {item["attributes"]["name"] for item in found} <= {product.title for product in catalogue}


async def test_editing_while_a_client_pages_moves_rows_as_on_the_platform() -> None:
    async with SandboxServer(["lazada"], products=60, clock=ManualClock()) as server:
        shop = server.shops["lazada"]
        user = LazadaUser(shop)
        await user.connect()
        first = (await user.call("/products/get", filter="all", limit=20)).json["data"]["products"]
        shop.clock.advance(5)
        shop.edit_product(str(first[0]["item_id"]), price=1_000)
        [added] = shop.add_product()
        last = (await user.call("/products/get", filter="all", limit=50, offset=20)).json["data"]["products"]
        assert [item["item_id"] for item in last[-2:]] == [first[0]["item_id"], int(added)]


async def test_only_loopback_is_listened_on() -> None:
    async with SandboxServer(["tiki"], products=1) as server:
        shop = server.shops["tiki"]
        assert all(address.startswith("http://127.0.0.1:") for address in shop.hosts.values())


async def test_a_port_in_use_is_named_and_nothing_stays_open() -> None:
    async with SandboxServer(["tiki"], products=1) as first:
        port = int(first.shops["tiki"].base_url.rpartition(":")[2])
        with pytest.raises(Unavailable, match=f"port {port}"):
            async with SandboxServer(["shopee", "tiki"], products=1, ports={"tiki": port}):
                pass


def test_an_unknown_platform_is_refused_with_the_known_ones() -> None:
    assert list(discover()) == ["lazada", "shopee", "shopify", "tiki", "woocommerce"]
    with pytest.raises(NotFound, match="lazada, shopee, shopify, tiki, woocommerce"):
        SandboxServer(["amazing"])


def test_a_sandbox_never_reads_its_connector() -> None:
    sources = [path for kind in discover().values() for path in Path(inspect.getfile(kind)).parent.glob("*.py")]
    assert len(sources) > 9
    assert not [
        path for path in sources if ".connector import" in path.read_text() or ".mapping import" in path.read_text()
    ]
