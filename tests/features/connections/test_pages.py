"""The hosted connect page: a browser with a connect token connects an account there, without a login and a script."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest_asyncio
from tests.given.connections import BASE, RETURN, Side, World, world

from isthmus.engine.db import Database
from isthmus.features.connections.model import connecting as model
from isthmus.features.connections.model import flow
from isthmus.features.connections.service import connecting
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret

HOME, SESSIONS, PAGE = "/api/tenant/integrations", "/api/connect-sessions", "/connect"
ORIGIN = "https://app.example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(database: Database) -> AsyncIterator[World]:
    async with world(database) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def here(opened: World) -> World:
    await opened.clear()
    opened.far.keys = {"good": "acc_1", "hers": "acc_2"}
    return opened


async def make(here: World, provider: str = "keys", **more: Any) -> dict[str, Any]:
    side = here.side("ten_a")
    made = await side("POST", HOME, {"integrationId": provider, "name": f"For <{provider}>{len(more)}"})
    body = {"integrationId": made.json()["id"], "origin": ORIGIN, "returnUrl": RETURN, **more}
    answer = await side("POST", SESSIONS, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def form(browser: Side, path: str, origin: str = BASE, **fields: str) -> httpx2.Response:
    """A form as a browser sends it."""
    return await browser.http.post(path, data=fields, headers={"origin": origin})


async def enter(here: World, made: dict[str, Any]) -> tuple[Side, str]:
    """A browser on the session's page, and the page's path."""
    browser = here.side()
    answer = await form(browser, PAGE, ORIGIN, token=made["token"])
    assert answer.status_code == 303, answer.text
    return browser, answer.headers["location"]


async def test_a_page_says_before_anybody_begins_that_an_operator_has_yet_to_set_the_app(opened: World) -> None:
    made = await make(opened, "tiki")
    browser, path = await enter(opened, made)
    shown = await browser.go(path)
    assert (shown.status_code, "is not set up here yet" in shown.text, "<button" in shown.text) == (200, True, False)
    asked = await browser.http.post("/api/connect/session", json={"token": made["token"]}, headers={"origin": ORIGIN})
    assert asked.json()["appReady"] is False


def going(answer: httpx2.Response) -> str:
    """Where the page takes the browser by itself."""
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]*)"', answer.text)
    assert found, answer.text
    return unescape(found[1])


def said(answer: httpx2.Response) -> str:
    """What the page warns of."""
    found = re.search(r'role="alert"><p>([^<]*)<', answer.text)
    return unescape(found[1]) if found else ""


async def test_the_page_asks_for_the_providers_fields_and_ends_at_the_tenants_own_address(here: World) -> None:
    made = await make(here)
    browser, path = await enter(here, made)
    page = await browser.go(path)
    assert page.status_code == 200
    assert "For &lt;keys&gt;" in page.text, "names of tenants are texts"
    assert ORIGIN in page.text
    wrong = await form(browser, path, api_key="canary-bad")
    assert (wrong.status_code, "canary-bad" in wrong.text) == (400, False)
    assert said(wrong)
    right = await form(browser, path, api_key="good")
    assert right.status_code == 200, right.text
    seen = (await here.side("ten_a")("GET", f"{SESSIONS}/{made['id']}")).json()
    assert (seen["status"], going(right)) == (
        "used", f"{RETURN}?status=connected&connectionId={seen['connectionId']}",
    )  # fmt: skip
    assert going(await browser.go(path)) == going(right), "opened again, it says the same"


async def test_a_consent_begins_on_the_page_and_comes_back_to_it(here: World) -> None:
    made = await make(here, "rotor")
    browser, path = await enter(here, made)
    begun = await form(browser, path)
    link = going(begun)
    assert (await browser.go(link)).status_code == 303
    session = await connection_of(here, made)
    back = await browser.go(here.back("rotor", {"state": state_of(link)}, "shop"))
    assert (back.status_code, urlsplit(back.headers["location"]).path) == (302, path)
    done = await browser.go(back.headers["location"])
    assert going(done) == f"{RETURN}?status=connected&connectionId={session}"
    assert (await here.side("ten_a")("GET", f"{SESSIONS}/{made['id']}")).json()["status"] == "used"


async def connection_of(here: World, made: dict[str, Any]) -> str:
    return str((await here.side("ten_a")("GET", f"{SESSIONS}/{made['id']}")).json()["connectionId"])


def state_of(link: str) -> str:
    """The state that the platform sends back."""
    return flow.state_of(Secret(link.partition("link=")[2]))


async def test_where_both_ways_are_open_the_page_has_a_button_for_each(here: World) -> None:
    browser, path = await enter(here, await make(here, "either"))
    page = await browser.go(path)
    assert page.text.count("<button") == 2
    assert re.search(r'<button[^>]* name="isthmus-way" value="oauth2" formnovalidate>', page.text)
    consent = await form(browser, path, **{"isthmus-way": "oauth2", "api_key": "good"})
    assert going(consent).startswith(f"{BASE}/api/integrations/oauth/start?link="), (
        "a key that was typed does not count"
    )
    browser, path = await enter(here, await make(here, "either", locale="en"))
    assert "Fill in this field." in (await form(browser, path)).text
    assert going(await form(browser, path, api_key="good")).startswith(f"{RETURN}?status=connected")


async def test_what_the_far_side_refuses_is_shown_and_may_be_tried_again(here: World) -> None:
    made = await make(here, "rotor")
    browser, path = await enter(here, made)
    link = going(await form(browser, path))
    await browser.go(link)
    state = state_of(link)
    denied = f"{BASE}/api/integrations/oauth/callback/none-rotor?state={state}&error=access_denied"
    back = await browser.go(denied)
    page = await browser.go(back.headers["location"])
    assert "says that access was not granted" in said(page)
    cancel = re.search(r'class="back" href="([^"]*)"', page.text)
    assert cancel
    assert unescape(cancel[1]) == f"{RETURN}?status=failed&error=consent_denied"
    assert going(await form(browser, path)).startswith(f"{BASE}/api/integrations/oauth/start?link=")
    invented = await browser.go(f"{path}?status=failed&error=<script>&status=x")
    assert "<script" not in invented.text


async def test_OA_18_pages_cannot_be_framed_run_no_inline_script_and_load_nothing_foreign(here: World) -> None:
    browser, path = await enter(here, await make(here))
    for address in (PAGE, path, f"{PAGE}/cns_none"):
        page = await browser.go(address)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"
        assert re.findall(r"<script[^>]*>", page.text) == (
            ['<script src="/connect/script.js">'] if address == PAGE else []
        )
        assert not re.search(r"\son\w+=|\sstyle=|src=\"(?!/connect/script.js)", page.text)
    script = await browser.go(f"{PAGE}/script.js")
    assert script.headers["content-type"].startswith("text/javascript")


async def test_OA_18_the_page_names_the_tenant_the_shop_and_the_scopes(here: World) -> None:
    async with here.system.tx() as tx:
        row = "insert into tenants (id, name, slug, status, created_at) values ('ten_a', $1, 'amy', 'active', now())"
        await tx.execute_sql(row, "Amy & <Sons>")
    try:
        browser, path = await enter(here, await make(here, "scoped", locale="en"))
        page = await browser.go(path)
    finally:
        async with here.system.tx() as tx:
            await tx.execute_sql("delete from tenants where id = 'ten_a'")
    asked = f"<strong>Amy &amp; &lt;Sons&gt;</strong> ({ORIGIN}) asks to connect your account at Scoped as "
    assert asked in page.text
    assert "<strong>For &lt;scoped&gt;1</strong>" in page.text
    assert "<li><code>orders.read</code></li><li><code>stock&lt;write&gt;</code></li>" in page.text


async def test_every_field_has_a_label_and_every_page_a_language_a_title_and_a_heading(here: World) -> None:
    browser, path = await enter(here, await make(here))
    for page in (await browser.go(PAGE), await browser.go(path), await form(browser, path, api_key="bad")):
        assert '<html lang="en">' in page.text
        assert re.search(r"<title>[^<]+</title>", page.text)
        assert page.text.count("<h1>") == 1
        labels = set(re.findall(r'<label for="([^"]+)"', page.text))
        assert set(re.findall(r'<input id="([^"]+)"', page.text)) == labels
        for about in re.findall(r'aria-describedby="([^"]+)"', page.text):
            assert all(f'id="{one}"' in page.text for one in about.split())


async def test_the_page_speaks_the_sessions_language_else_the_browsers(here: World) -> None:
    vietnamese, any_ = await make(here, locale="vi"), await make(here)
    assert (vietnamese["locale"], any_["locale"]) == ("vi", None)
    seen = (await here.side("ten_a")("GET", f"{SESSIONS}/{vietnamese['id']}")).json()
    assert seen["locale"] == "vi"
    for made, asked, language in (
        (vietnamese, "en-US,en;q=0.9", "vi"),
        (any_, "vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        (any_, "de", "en"),
    ):
        browser, path = await enter(here, made)
        browser.http.headers["accept-language"] = asked
        page = await browser.go(path)
        assert (page.headers["content-language"], f'<html lang="{language}">' in page.text) == (language, True)
        assert ("muốn kết nối" in page.text) is (language == "vi")
    wrong = await form(browser, path, api_key="bad")
    assert "did not accept what you entered" in said(wrong)
    browser, path = await enter(here, vietnamese)
    wrong = await form(browser, path, api_key="bad")
    assert "không chấp nhận" in said(wrong)
    assert "Vui lòng điền mục này." in (await form(browser, path)).text
    done = await form(browser, path, api_key="good")
    assert "Đã kết nối" in done.text
    assert (await make_refused(here, locale="de")) == 400


async def make_refused(here: World, **more: Any) -> int:
    answer = await here.side("ten_a")("POST", SESSIONS, {"integrationId": "int_x", "origin": ORIGIN, **more})
    return answer.status_code


async def test_whoever_has_no_session_is_told_why_in_the_browsers_language(here: World) -> None:
    stranger = here.side()
    stranger.http.headers["accept-language"] = "vi"
    entry = await stranger.go(PAGE)
    assert "dán mã" in entry.text
    refused = await form(stranger, PAGE, ORIGIN, token="ics_no")
    assert (refused.status_code, said(refused)) == (401, "Liên kết này không tồn tại.")
    unknown = await stranger.go("/api/integrations/oauth/start?link=none")
    assert (unknown.status_code, "Lượt đăng nhập này không tồn tại" in unknown.text) == (404, True)
    assert unknown.headers["content-language"] == "vi"
    assert (await here.side().go(PAGE)).headers["vary"].lower().count("accept-language") == 1


async def test_the_token_is_told_in_no_address_and_the_link_keeps_it_from_servers(here: World) -> None:
    made = await make(here)
    assert made["connectUrl"] == f"{BASE}{PAGE}#{made['token']}"
    _, path = await enter(here, made)
    assert path == f"{PAGE}/{made['id']}"
    events = await here.events("ten_a", "connect_session.page_opened")
    assert events[-1]["subject"] == made["id"]
    assert made["token"] not in str(events)


async def test_only_the_browser_that_showed_the_token_sees_the_page_and_the_last_one_counts(here: World) -> None:
    made = await make(here)
    first, path = await enter(here, made)
    stranger = here.side()
    for answer in (await stranger.go(path), await form(stranger, path, api_key="good")):
        assert answer.status_code == 401
        assert "For &lt;keys" not in answer.text
    second, _ = await enter(here, made)
    assert (await first.go(path)).status_code == 401
    assert (await second.go(path)).status_code == 200
    for token in ("", "ics_no", "x" * 5_000):
        assert (await form(here.side(), PAGE, ORIGIN, token=token)).status_code == 401


async def test_SE_07_forms_of_other_pages_are_refused(here: World) -> None:
    made = await make(here)
    browser, path = await enter(here, made)
    for origin in (ORIGIN, "https://evil.example.com", "null"):
        assert (await form(browser, path, origin, api_key="good")).status_code == 403
    for origin in ("https://evil.example.com", "null", ""):
        assert (await form(here.side(), PAGE, origin, token=made["token"])).status_code == 403
    assert (await connection_of(here, made)) == "None"


async def test_a_session_that_has_ended_says_why_and_leads_back(here: World) -> None:
    made = await make(here)
    browser, path = await enter(here, made)
    await here.side("ten_a")("POST", f"{SESSIONS}/{made['id']}/revoke")
    page = await browser.go(path)
    assert "was revoked" in page.text
    assert f"{RETURN}?status=failed&amp;error=cancelled" in page.text
    tried = await form(browser, path, api_key="good")
    assert (tried.status_code, "was revoked" in tried.text) == (401, True)
    again = await make(here, returnUrl=None)
    browser, path = await enter(here, again)
    for _ in range(model.MOST_TRIES):
        last = await form(browser, path, api_key="bad")
    assert "tried too often" in last.text
    assert "href" not in last.text, "there is no address to go back to"


async def test_a_session_for_somebody_else_connects_their_account_and_nobody_elses(here: World) -> None:
    admin = here.side("ten_a")
    own = (await admin("POST", HOME, {"integrationId": "keys", "name": "Own", "userScoped": True})).json()
    key = Principal("key", "key_1", "isthmus", "ten_a", frozenset({"tenant_admin"}))
    scope = replace(here.scope("ten_a"), principal=key)
    wanted = connecting.Wanted(integration_id=own["id"], origin=ORIGIN, return_url=RETURN, user_id="ann")
    made = await connecting.create(scope, wanted)
    browser, path = await enter(here, {"token": made.token.reveal()})
    done = await form(browser, path, api_key="hers")
    assert going(done).startswith(f"{RETURN}?status=connected&connectionId=con_")
    state = f"/api/user/integrations/{own['id']}/connection"
    ann = (await here.side("ten_a", "ann", "user")("GET", state)).json()
    assert (ann["connected"], going(done).endswith(ann["connectionId"])) == (True, True)
    assert (await admin("GET", state)).json()["connected"] is False
    assert (await admin("GET", f"/api/connections/{ann['connectionId']}")).status_code == 404


async def test_forms_that_are_no_forms_are_refused_and_not_ours_to_fail(here: World) -> None:
    browser, path = await enter(here, await make(here))
    many = {f"f{number}": "x" for number in range(60)}
    assert (await form(browser, path, **many)).status_code == 400
    assert (await form(browser, path, api_key="x" * 20_000)).status_code == 400
    assert (await form(browser, path, other="x")).status_code == 400
    plain = await browser.http.post(path, content=b"{}", headers={"origin": BASE, "content-type": "application/json"})
    assert plain.status_code == 400
