"""The consent page is a form that a person can click and a program can walk."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from tests.given.marketplaces import CALLBACK, LazadaUser, ShopeeUser, TikiUser, fetch, query_of

from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Unavailable
from isthmus.sandbox import SandboxServer, Shop, walk

LINKS: dict[str, Callable[[Shop], str]] = {
    "tiki": lambda shop: TikiUser(shop).link(),
    "lazada": lambda shop: LazadaUser(shop).link(),
    "shopee": lambda shop: ShopeeUser(shop).link(),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(products=3, clock=ManualClock()) as running:
        yield running


def link(server: SandboxServer, platform: str) -> str:
    return LINKS[platform](server.shops[platform])


@pytest.mark.parametrize("platform", list(LINKS))
async def test_the_page_is_plain_html_with_a_choice_of_sellers_and_two_buttons(
    server: SandboxServer, platform: str
) -> None:
    answer = await fetch("GET", link(server, platform))
    text = answer.body.decode()
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert all(part in text for part in ("<form", "Approve", "Deny", server.shops[platform].sellers[0].id))


@pytest.mark.parametrize("platform", list(LINKS))
async def test_every_seller_can_sign_in(server: SandboxServer, platform: str) -> None:
    shop = server.shops[platform]
    for seller in shop.sellers[:3]:
        back = await walk(link(server, platform), seller=seller.id)
        assert back.startswith(CALLBACK)
        assert "code" in query_of(back)
        assert shop.ledger.grants[-1].account == seller.id


@pytest.mark.parametrize("platform", list(LINKS))
async def test_the_automatic_mode_answers_at_once(server: SandboxServer, platform: str) -> None:
    assert "code" in query_of((await fetch("GET", link(server, platform) + "&auto=approve")).headers["location"])
    assert "code" not in query_of((await fetch("GET", link(server, platform) + "&auto=deny")).headers["location"])
    shop = server.shops[platform]
    shop.auto_consent = "approve"
    assert "code" in query_of((await fetch("GET", link(server, platform))).headers["location"])
    shop.auto_consent = None


async def test_a_page_is_answered_once_and_only_with_its_choices(server: SandboxServer) -> None:
    shop = server.shops["tiki"]
    await fetch("GET", link(server, "tiki"))
    ticket = list(shop._asks)[-1]
    url = f"{shop.base_url}/consent"
    right = {"ticket": ticket, "seller": shop.sellers[0].id, "decision": "approve"}
    for wrong in ({"seller": "1"}, {"decision": "maybe"}, {"ticket": "x"}):
        assert (await fetch("POST", url, data={**right, **wrong})).status == 400
    assert (await fetch("POST", url, data=right)).status == 302
    assert (await fetch("POST", url, data=right)).status == 400


async def test_names_are_escaped_on_the_page(server: SandboxServer) -> None:
    shop = server.shops["tiki"]
    name = shop.apps[0].name
    shop.apps[0].name = "<script>alert(1)</script>"
    text = (await fetch("GET", link(server, "tiki"))).body.decode()
    shop.apps[0].name = name
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


async def test_a_link_without_a_form_is_unavailable(server: SandboxServer) -> None:
    with pytest.raises(Unavailable, match="no form"):
        await walk(f"{server.shops['tiki'].base_url}/sc/oauth2/auth")
