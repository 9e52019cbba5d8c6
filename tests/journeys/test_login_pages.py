"""A sign-in at an issuer that came to nothing, as the person at the browser sees it."""

import string
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from tests.given.logins import Hall, Person
from tests.given.logins import hall as hall_of
from tests.journeys.deployment import Answer

from isthmus.features.access.routes import failures
from isthmus.kit.languages import LANGUAGES
from isthmus.kit.permissions import USER

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TEXTS = tomllib.loads(Path(failures.__file__).with_name("texts.toml").read_text("utf-8"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    async with hall_of(database_url, Path(tmp_path_factory.mktemp("home"))) as made:
        yield made


@pytest.fixture(autouse=True)
def a_minute_later(hall: Hall) -> None:
    """Logins are limited by address and minute, and everybody here comes from one."""
    hall.clock.advance(61)


def seen(answer: Answer, status: int, language: str = "en") -> str:
    """The page, which is one."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-language"] == language
    assert answer.headers["vary"] == "Authorization, Cookie, Origin, Accept-Language, Accept"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "script" not in policy
    assert (answer.headers["x-frame-options"], answer.headers["cache-control"]) == ("DENY", "no-store")
    text: str = answer.body.decode()
    assert answer.headers["x-request-id"] in text
    assert "<script" not in text
    return text


async def test_who_has_no_account_reads_why_and_is_led_to_another_account(hall: Hall) -> None:
    person = Person(hall)
    asked = await person.start("one", tenant=hall.tenant, returnTo="/orders?status=new&page=2")
    hall.issuers["one"].claims = {"sub": "stranger"}
    page = seen(await person.back("one", asked, accept=BROWSER), 401)
    assert "opens nothing here" in page
    assert "ask the admin for an invitation" in page
    for secret in (asked["state"], asked["nonce"], "stranger", hall.issuers["one"].url):
        assert secret not in page
    query = urlencode({"tenant": hall.tenant, "returnTo": "/orders?status=new&page=2", "fresh": "true"})
    link = f"/api/auth/oidc/one/start?{query}"
    assert f'href="{link.replace("&", "&amp;")}"' in page
    again = await person.call("GET", link)
    assert again.status == 303
    assert "prompt=login" in again.headers["location"]


async def test_who_turned_back_at_the_issuer_reads_that_and_tries_again_in_vietnamese(hall: Hall) -> None:
    person = Person(hall)
    asked = await person.start("one", tenant=hall.tenant)
    answer = await person.back(
        "one", asked, code="", error="access_denied", error_description="<b>no</b>", accept=BROWSER, language="vi-VN,vi"
    )
    page = seen(answer, 401, "vi")
    assert "hoặc bạn đã quay lại giữa chừng" in page
    assert "Thử lại" in page
    assert "fresh" not in page
    assert "<b>no" not in page


async def test_who_comes_back_too_late_or_elsewhere_is_told_and_led_back_where_that_is_known(hall: Hall) -> None:
    person, elsewhere = Person(hall), Person(hall)
    asked = await person.start("one", tenant=hall.tenant)
    hall.clock.advance(601)
    assert f"start?tenant={hall.tenant}" in seen(await person.back("one", asked, accept=BROWSER), 401)
    page = seen(await elsewhere.back("one", asked, accept=BROWSER), 401)
    assert "keep to this browser" in page
    assert "href" not in page
    elsewhere.cookies["__Host-isthmus_login_again"] = "_not*base64"
    assert "href" not in seen(await elsewhere.back("one", asked, accept=BROWSER), 401)


async def test_an_invitation_is_in_no_link_of_the_page(hall: Hall) -> None:
    person = Person(hall)
    await person.start("one", tenant="somewhere-else")
    invitation = await hall.invitation("once@example.com", USER)
    for sub in ("once", "twice"):
        asked = await person.invited("one", invitation)
        hall.issuers["one"].claims = {"sub": sub}
        answer = await person.back("one", asked, accept=BROWSER)
    page = seen(answer, 404)
    assert "Ask an admin for a new invitation" in page
    assert invitation not in page
    assert "href" not in page


async def test_a_start_that_cannot_be_is_a_page_too_whatever_stands_in_the_way(hall: Hall) -> None:
    person = Person(hall)
    nowhere = await person.call("GET", "/api/auth/oidc/nowhere/start?tenant=t", accept=BROWSER)
    assert "no sign-in service of this name" in seen(nowhere, 404)
    assert "not whole" in seen(await person.call("GET", "/api/auth/oidc/one/start", accept=BROWSER), 400)
    for _ in range(31):
        answer = await person.call("GET", "/api/auth/oidc/one/start?tenant=t", accept=BROWSER)
        if answer.status != 303:
            break
    assert "too many sign-ins" in seen(answer, 429)
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/json, text/html;q=0.9", "text/html;q=0", ""]
)
async def test_a_caller_that_is_no_browser_gets_json(hall: Hall, accept: str) -> None:
    person = Person(hall)
    asked = await person.start("one", tenant=hall.tenant)
    answer = await person.back("one", asked, code="", error="access_denied", accept=accept)
    assert (answer.status, answer.body["error"]["code"]) == (401, "LOGIN_REFUSED")
    assert answer.body["error"]["details"] == {"reason": "declined"}


def _parts(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_has_every_text_with_the_same_parts() -> None:
    assert set(TEXTS) == set(LANGUAGES)
    first = TEXTS[LANGUAGES[0]]
    assert set(first["why"]) == set(first["how"])
    for language in LANGUAGES[1:]:
        other = TEXTS[language]
        assert set(other) == set(first)
        for name, text in first.items():
            if isinstance(text, str):
                assert _parts(text) == _parts(other[name])
            else:
                assert set(text) == set(other[name])
