"""A POST with an Idempotency-Key takes effect once, whichever route it is (security.md ID-01 to ID-05; generated)."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from tests.journeys.deployment import Answer, Deployment, Merchant
from tests.journeys.routes import SIGNED, Case, belongings

from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN

#: What ends things comes last.
_ENDINGS = ("disconnect", "logout", "revoke", "cancel", "deactivate")
POSTS = sorted(
    (case for case in SIGNED if case.method == "POST" and not case.streams and case.route.binder is not None),
    key=lambda case: (case.route.path.endswith(_ENDINGS), str(case)),
)
_AT_ONCE = 3
_CREATED = 201


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def known(running: Deployment) -> dict[str, str]:
    amy, connection = await running.owner("tiki")
    run = await amy.sync(connection)
    return await belongings(running, amy, connection, run["id"])


async def _who(running: Deployment, case: Case) -> Merchant:
    if not case.for_tenants:
        return running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    return (await running.owner("tiki"))[0]


async def _quiet(who: Merchant) -> None:
    """Wait for the runs that other cases began: they would stand in the way of this one for a while."""
    for run in (await who.call("GET", "/api/sync/runs")).body["items"]:
        await who.finished(run["id"])


def _plain(body: Any) -> Any:
    """What of an answer is the same each time; what is shown only once is not."""
    if not isinstance(body, dict):
        return body
    varying = {"requestId", "timestamp", "secretShown", "key", "invitation", "secret", "token", "url", "reset"}
    return {name: _plain(value) for name, value in body.items() if name not in varying}


def test_every_post_that_creates_takes_a_key() -> None:
    assert len(POSTS) > 20
    for case in POSTS:
        assert case.codes >= {"IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_USE"}, case


@pytest.mark.parametrize("case", POSTS, ids=str)
async def test_PR_17_requests_at_once_with_one_key_have_one_effect_and_one_answer(
    running: Deployment, known: dict[str, str], case: Case
) -> None:
    if case.route.path.startswith("/api/admin/tenants/"):
        known = {**known, "ten": (await running.merchant("Once")).tenant_id}
    who, asked = await _who(running, case), case.call(known)
    if case.route.path.startswith("/api/sync"):
        await _quiet(who)
    key = {"idempotency-key": f"once {case}"[:255].replace(" ", "-")}

    async def send(body: Any = asked.body) -> Answer:
        return await who.call("POST", asked.address, body, **key)

    answers = await asyncio.gather(*[send() for _ in range(_AT_ONCE)])
    assert len({answer.status for answer in answers}) == 1, [one.body.get("error", one.status) for one in answers]
    again = await send()
    if answers[0].status != _CREATED and "idempotency-replayed" not in again.headers:
        return  # refused, or nothing took effect: there is nothing to do only once
    replayed = [one for one in (*answers, again) if one.headers.get("idempotency-replayed") == "true"]
    assert len(replayed) == _AT_ONCE
    assert again in replayed
    for one in replayed:
        assert _plain(one.body) == _plain(again.body)
    assert again.status == answers[0].status
    if not case.route.takes_json:
        return
    other = await send({**(asked.body or {}), "another": "body"})
    assert (other.status, other.body["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
