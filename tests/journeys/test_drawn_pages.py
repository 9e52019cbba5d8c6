"""Pages that ask for a consent, as a browser draws them: who asks for what is seen, and no other page frames them."""

import json
from collections.abc import AsyncIterator, Sequence
from html import escape
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from aiohttp import web
from tests.given.chromium import Chromium, Glass, Tab, chromium
from tests.journeys.deployment import Deployment, Merchant

from isthmus.sandbox import walk

pytestmark = pytest.mark.chromium
PHONE, DESK = Glass(360, 740, held=True), Glass(1280, 800, dark=True)
ORIGIN = "https://shop.example.com"
TENANT, SHOP = "Tiệm Hoa & <Sons>", "Cửa hàng <quận 1>"
SCOPES = ("offline", "product", "inventory", "order")
#: Where a text stands: whether all of it is in what is looked through, whether anything lies over it, and how its
#: colour stands out from what is behind it, as WCAG counts that. Leaves the text in an element of its own.
_FIND = """(text => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode() && !walker.currentNode.data.includes(text));
  const node = walker.currentNode, range = document.createRange(), found = document.createElement("span");
  range.setStart(node, node.data.indexOf(text));
  range.setEnd(node, node.data.indexOf(text) + text.length);
  range.surroundContents(found);
  window.found = found;
  const box = found.getBoundingClientRect(), colour = of => of.match(/[\\d.]+/g).map(Number);
  const middles = [...found.getClientRects()].map(one => [one.x + one.width / 2, one.y + one.height / 2]);
  const light = rgb => rgb.slice(0, 3).map(one => one / 255)
    .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, which) => sum + one * [0.2126, 0.7152, 0.0722][which], 0);
  let behind = found;
  const filled = () => colour(getComputedStyle(behind).backgroundColor);
  while (filled()[3] === 0) behind = behind.parentElement;
  const [more, less] = [light(colour(getComputedStyle(found).color)), light(filled())].sort((a, b) => b - a);
  return {
    inside: box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight,
    open: middles.length > 0 && middles.every(([x, y]) => document.elementFromPoint(x, y) === found),
    contrast: (more + 0.05) / (less + 0.05),
  };
})"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    async with chromium(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def florist(running: Deployment) -> Merchant:
    """A merchant whose shops may be connected from a page of hers."""
    amy = await running.merchant(TENANT)
    await amy.call("PUT", "/api/connections/return-origins", {"origins": [ORIGIN]})
    return amy


async def link(amy: Merchant, provider: str, locale: str, number: str = "") -> str:
    """What she gives to whoever has the shop."""
    integration = {"integrationId": provider, "name": f"{SHOP} {provider} {locale}{number}"}
    made = await amy.call("POST", "/api/tenant/integrations", integration)
    assert made.status == 201, made.body
    body = {"integrationId": made.body["id"], "origin": ORIGIN, "returnUrl": f"{ORIGIN}/done", "locale": locale}
    session = await amy.call("POST", "/api/connect-sessions", body)
    assert session.status == 201, session.body
    return str(session.body["connectUrl"])


async def seen(tab: Tab, text: str, drawn: bytes) -> None:
    """That whoever looks at the page reads this text without doing anything; `drawn` is what is seen."""
    told = await tab.ask(f"{_FIND}({json.dumps(text)})")
    assert (told["inside"], told["open"]) == (True, True), text
    assert told["contrast"] >= 4.5, text
    await tab.ask("found.style.visibility = 'hidden'")
    assert await tab.shot() != drawn, f"{text} leaves nothing on the screen"
    await tab.ask("found.style.visibility = ''")


@pytest.mark.parametrize(
    ("provider", "scopes", "locale", "glass"),
    [("tiki", SCOPES, "vi", PHONE), ("tiki", SCOPES, "en", DESK), ("woocommerce", (), "vi", PHONE)],
    ids=["consent, vi, phone", "consent, en, desk", "key, vi, phone"],
)
async def test_OA_18_who_looks_at_the_connect_page_reads_the_tenant_the_shop_and_the_scopes(
    florist: Merchant, browser: Chromium, provider: str, scopes: Sequence[str], locale: str, glass: Glass
) -> None:
    tab = await browser.tab()
    await tab.look_through(glass)
    await tab.open(await link(florist, provider, locale), "/connect/cns_")
    drawn = await tab.shot()
    for text in (TENANT, ORIGIN, f"{SHOP} {provider} {locale}", *scopes):
        await seen(tab, text, drawn)
    assert await tab.shot() == drawn, "nothing moves by itself"


#: Pages that frame another: an address, one that may not be framed either, and one that may.
async def _around(request: web.Request) -> web.Response:
    inner = escape(request.query.get("inner", ""))
    page = f'<!doctype html><body style="margin:0"><iframe src="{inner}" width="600" height="500"></iframe>'
    return web.Response(text=page, content_type="text/html")


async def _shut(_request: web.Request) -> web.Response:
    return web.Response(text="<!doctype html>shut", content_type="text/html", headers={"x-frame-options": "DENY"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger() -> AsyncIterator[str]:
    """A server of another origin and the same site, so that every cookie goes with what its pages frame."""
    app = web.Application()
    app.add_routes([web.get("/", _around), web.get("/shut", _shut)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def framed(tab: Tab, stranger: str, inner: str) -> bytes:
    """What is seen of an address in a frame of another origin's page."""
    await tab.open(f"{stranger}/?{urlencode({'inner': inner})}")
    return await tab.shot()


async def test_OA_18_a_frame_of_another_origin_shows_nothing_of_them(
    running: Deployment, florist: Merchant, browser: Chromium, stranger: str
) -> None:
    tab = await browser.tab()
    await tab.look_through(Glass(640, 540))
    await tab.read("en")
    opened = await florist.call("POST", "/api/connections", {"provider": "tiki"})
    async with florist.browser.get(opened.body["authorizationUrl"], allow_redirects=False) as answer:
        consent = answer.headers["location"]
    pages = {
        "asks": await link(florist, "tiki", "en", " 2"),
        "token": f"{running.address}/connect",
        "held": await walk(consent),
        "over": f"{running.address}/api/integrations/oauth/callback?state=none",
        "sign-in": f"{running.address}/api/auth/oidc/none/callback?state=none",
    }
    nothing = await framed(tab, stranger, f"{stranger}/shut")
    assert await framed(tab, stranger, f"{stranger}/?inner=about:blank") != nothing, "what may be framed is seen"
    for name, address in pages.items():
        await tab.open(address, "/connect/cns_" if name == "asks" else "")
        assert await tab.ask("document.body.innerText.length") > 20
        assert await framed(tab, stranger, await tab.ask("location.href")) == nothing, name


async def test_no_page_is_wider_than_what_it_is_looked_at_through(running: Deployment, browser: Chromium) -> None:
    tab = await browser.tab()
    for glass in (PHONE, DESK):
        await tab.look_through(glass)
        for path in ("/connect", "/connect/cns_none", "/api/integrations/oauth/callback", "/api/auth/oidc/no/callback"):
            await tab.open(running.address + path, path)
            margins = "[document.documentElement.scrollWidth - innerWidth, document.querySelector('main').offsetLeft]"
            wider, beside = await tab.ask(margins)
            assert wider <= 0
            assert beside >= 16, path
