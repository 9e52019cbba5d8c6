"""A POST with an Idempotency-Key takes effect once, whichever route it is (security.md ID-01 to ID-05; generated)."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.given.crm import crm
from tests.given.dumps import dump, forms
from tests.house_database import Copy
from tests.journeys.deployment import Answer, Deployment, Form, Merchant, deployment
from tests.journeys.once import NO_EFFECT, Story, begin, caller, prepared
from tests.journeys.routes import SIGNED, Case, belongings

#: What ends things comes last.
_ENDINGS = ("disconnect", "logout", "revoke", "cancel", "deactivate")
POSTS = sorted(
    (case for case in SIGNED if case.method == "POST" and not case.streams),
    key=lambda case: (case.route.path.endswith(_ENDINGS), str(case)),
)
_AT_ONCE = 3
#: POSTs that show persons, which no answer is kept with, and those that show nothing in this story, and why.
_PERSONS = {"POST /api/customers/find"}
_SHOWS_NONE = {
    "POST /api/merchants/{merchant_id}/product-sync/config": "its secret was shown before; another one is, by rotation",
    "POST /api/admin/integrations/{category}/{id}/connection": "it is connected with a key, so there is no link",
}
#: What was shown once, by the route that showed it.
_SHOWN: dict[str, set[str]] = {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home, CONNECTIONS__ALLOW_NETWORKS="127.0.0.0/8") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(running: Deployment) -> AsyncIterator[Story]:
    amy, connection = await running.owner("tiki")
    run = await amy.sync(connection)
    async with crm() as far:
        yield await begin(running, amy, await belongings(running, amy, connection, run["id"]), far)


async def _quiet(who: Merchant) -> None:
    """Wait for the runs that other cases began: they would stand in the way of this one for a while."""
    for run in (await who.call("GET", "/api/sync/runs")).body["items"]:
        await who.finished(run["id"])


def _plain(body: Any) -> Any:
    """What of an answer is the same each time; what is shown only once is not."""
    if not isinstance(body, dict):
        return body
    shown_once = {"secretShown", "key", "invitation", "secret", "token", "url", "reset", "authorizationUrl", "state"}
    shown_once |= {"connectUrl"}
    varying = {"requestId", "timestamp"} | (shown_once if "secretShown" in body or shown_once & set(body) else set())
    return {name: _plain(value) for name, value in body.items() if name not in varying}


def _secrets(case: Case, body: Any) -> Iterator[str]:
    """What an answer shows once: the unguessable part where it is an address."""
    named = case.route.declaration.secret_fields if case.route.declaration and str(case) not in _PERSONS else ()
    for name, value in body.items() if isinstance(body, dict) else ():
        if name in named and isinstance(value, str):
            yield max(re.split(r"[^A-Za-z0-9_+-]", value), key=len)
        else:
            yield from _secrets(case, value)


def test_every_post_that_creates_takes_a_key() -> None:
    assert len(POSTS) > 60
    for case in POSTS:
        assert case.codes >= {"IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_USE"}, case
    assert set(NO_EFFECT) <= {str(case) for case in POSTS}


@pytest.mark.parametrize("case", POSTS, ids=str)
async def test_PR_17_requests_at_once_with_one_key_have_one_effect_and_one_answer(story: Story, case: Case) -> None:
    if case.route.path.startswith("/api/admin/tenants/"):
        story.known["ten"] = (await story.running.merchant("Once")).tenant_id
    who, asked = caller(story, case), await prepared(story, case)
    story.known["ten"] = story.amy.tenant_id
    if case.route.path.startswith("/api/sync"):
        await _quiet(who)
    key = {"idempotency-key": f"once {case}"[:255].replace(" ", "-")}

    async def send(body: Any = asked.body) -> Answer:
        return await who.call("POST", asked.address, body, **key)

    answers = await asyncio.gather(*[send() for _ in range(_AT_ONCE)])
    assert len({answer.status for answer in answers}) == 1, [one.body.get("error", one.status) for one in answers]
    again = await send()
    if str(case) in NO_EFFECT:
        assert "idempotency-replayed" not in again.headers, "it has an effect, so it stands in the wrong table"
        return
    assert answers[0].status < 300, answers[0].body
    replayed = [one for one in (*answers, again) if one.headers.get("idempotency-replayed") == "true"]
    assert len(replayed) == _AT_ONCE
    assert again in replayed
    shown = {secret for one in answers for secret in _secrets(case, one.body)}
    _SHOWN.update({str(case): shown} if shown else {})
    for one in replayed:
        assert _plain(one.body) == _plain(again.body)
        assert not [secret for secret in shown if secret in str(one.body)], "a second answer shows none"
    assert again.status == answers[0].status
    if not case.route.takes_json and not isinstance(asked.body, Form):
        return
    changed = {**(asked.body or {}), "another": "body"}
    other = await send(Form(changed) if isinstance(asked.body, Form) else changed)
    assert (other.status, other.body["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_ID_02_a_form_is_the_same_form_whatever_stands_between_its_parts(story: Story) -> None:
    path = f"/api/merchants/{story.amy.tenant_id}/product-sync/upload"
    file = "product_id,title,sku,price\np9,Tea,T9,1\n"

    async def send(text: str, boundary: str) -> Answer:
        parts = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n{text}\r\n'
        headers = {
            "authorization": f"Bearer {story.amy.token}",
            "idempotency-key": "a-form",
            "content-type": f"multipart/form-data; boundary={boundary}",
        }
        async with aiohttp.ClientSession() as client:
            data = (parts + f"--{boundary}--\r\n").encode()
            async with client.post(story.running.address + path, data=data, headers=headers) as answer:
                return Answer(answer.status, answer.headers, await answer.json())

    first, again = await send(file, "one"), await send(file, "another")
    assert (first.status, again.status) == (202, 202), first.body
    assert first.body["data"] == again.body["data"]
    assert again.headers["idempotency-replayed"] == "true"
    other = await send(file.replace("Tea", "Rum"), "one")
    assert (other.status, other.body["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_ID_05_nothing_that_was_shown_once_stands_in_a_dump(story: Story, copied: Copy) -> None:
    """Of all that the routes above have shown, plainly or as it may be encoded."""
    showing = {str(case) for case in POSTS if case.route.declaration and case.route.declaration.secret_fields}
    assert set(_SHOWN) == showing - set(NO_EFFECT) - set(_SHOWS_NONE) - _PERSONS
    assert all(len(secret) >= 16 for shown in _SHOWN.values() for secret in shown)
    whole = "\n".join(row for rows in (await dump(copied)).values() for row in rows)
    assert story.amy.tenant_id in whole
    told = [case for case, shown in _SHOWN.items() for one in shown if any(form in whole for form in forms(one))]
    assert told == []
