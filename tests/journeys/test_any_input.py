"""Whatever is sent to any route by anybody: no failure of ours, nothing that the description does not say.

The short run draws input for every operation in every role, and sends a part of the sweep of each operation's fields as
one of those who may call it; whole sweeps, those of wide bodies among them, and longer draws are the long run's
(`-m proof`).
"""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode
from zlib import crc32

import aiohttp
import pytest
import pytest_asyncio
from tests.journeys import any_input
from tests.journeys.deployment import Deployment
from tests.journeys.routes import CASES, Case, belongings

from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN, USER

#: Bodies with so many fields that sweeping each of them is left to the long run: drawn ones are sent here.
WIDE = {"POST /api/admin/integrations", "PATCH /api/admin/integrations/{category}/{id}"}
#: How many cases of an operation's sweep the short run sends.
_SWEPT = 4
ROLES = (SUPER_ADMIN, TENANT_ADMIN, USER, "key", "nobody")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(running: Deployment) -> dict[str, dict[str, str]]:
    """The headers of somebody in each role."""
    amy, _ = await running.owner("tiki")
    operator = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    clerk = running.person(amy.tenant_id, [USER], "clerk")
    held = sorted({case.permission.name for case in CASES if case.permission and USER in case.permission.roles})
    body = {"name": "Any", "permissions": held}
    made = await amy.call("POST", f"/api/merchants/{amy.tenant_id}/api-keys", body)
    assert made.status == 201, made.body
    bearers = {SUPER_ADMIN: operator, TENANT_ADMIN: amy, USER: clerk}
    headers = {role: {"authorization": f"Bearer {who.token}"} for role, who in bearers.items()}
    return {**headers, "key": {"x-api-key": made.body["data"]["key"]}, "nobody": {}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def known(running: Deployment) -> dict[str, str]:
    amy, connection = await running.owner("tiki")
    run = await amy.sync(connection)
    return await belongings(running, amy, connection, run["id"])


def _mine(case: Case, role: str) -> bool:
    """Whether the role is tried at length here; what others are tried with, or it may not call, is tried briefly."""
    if case.permission is None:
        return role == "nobody"
    if role == SUPER_ADMIN:
        return not case.for_tenants
    return (USER if role == "key" else role) in case.permission.roles


async def _document(running: Deployment) -> dict[str, Any]:
    async with aiohttp.ClientSession() as client, client.get(running.address + "/api/openapi.json") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def _tried(
    running: Deployment, headers: dict[str, str], known: dict[str, str], cases: list[Case], **how: object
) -> any_input.Outcome:
    document = any_input.narrowed(await _document(running), cases, known)
    return await asyncio.to_thread(any_input.run, document, running.address, headers, **how)


async def _any_input(
    running: Deployment, shown: dict[str, dict[str, str]], known: dict[str, str], role: str, **how: object
) -> None:
    if role == SUPER_ADMIN:
        known = {**known, "ten": (await running.merchant("Anybody")).tenant_id}
    mine, others = [case for case in CASES if _mine(case, role)], [case for case in CASES if not _mine(case, role)]
    short = "seed" not in how
    wide = [case for case in mine if str(case) in WIDE and short]
    how |= {"reuse": role != SUPER_ADMIN, "most": _SWEPT if short else None}
    narrow = [case for case in mine if case not in wide]
    swept = [case for case in narrow if not short or _sweeper(case) == role]
    drawn_only = [case for case in narrow if case not in swept]
    whole = await _tried(running, shown[role], known, swept, coverage=True, **how)
    more = await _tried(running, shown[role], known, drawn_only, coverage=False, **how)
    whole = any_input.both(whole, more)
    brief = await _tried(running, shown[role], known, others, examples=0, coverage=False)
    drawn = any_input.Outcome()
    if wide:
        drawn = await _tried(running, shown[role], known, wide, examples=8, coverage=False, reuse=False)
    assert whole.faults + brief.faults + drawn.faults == []
    assert whole.operations.isdisjoint(brief.operations)
    assert whole.operations | drawn.operations >= {str(case) for case in mine if _tells(case)}
    assert whole.calls >= 2 * len(whole.operations)
    assert 200 in whole.answered
    assert brief.answered == {401} if role == "nobody" else 403 in brief.answered


def _sweeper(case: Case) -> str:
    """Who sweeps it in the short run: shared among those who may call it."""
    callers = [role for role in ROLES if _mine(case, role)]
    return callers[crc32(str(case).encode()) % len(callers)]


def _tells(case: Case) -> bool:
    declared = case.route.declaration
    return case.route.include_in_schema and declared is not None and not declared.streamed


#: What some languages write for no limit at all, and what is none in UTC.
ENDS = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
#: Times of bodies, with what else their requests need.
TIMED = {
    ("POST /api/integrations/search", "start"): {"filters": {"dateRange": {"start": "{end}"}}},
    ("POST /api/integrations/search", "end"): {"filters": {"dateRange": {"end": "{end}"}}},
    ("POST /api/webhooks/replay", "since"): {"since": "{end}"},
    ("POST /api/webhooks/replay", "until"): {"until": "{end}"},
    ("POST /api/sync", "since"): {"since": "{end}", "dryRun": True},
    ("POST /api/merchants/{merchant_id}/api-keys", "expiresAt"): {"expiresAt": "{end}"},
    ("POST /api/webhooks/endpoints/{id}/recover", "since"): {"since": "{end}"},
    ("POST /api/webhooks/endpoints/{id}/recover", "until"): {"until": "{end}"},
    ("PATCH /api/tenant/integrations/{id}", "updatedAt"): {"updatedAt": "{end}"},
}


async def test_a_time_at_the_ends_of_the_calendar_fails_nowhere(running: Deployment, known: dict[str, str]) -> None:
    amy, _ = await running.owner("tiki")
    document = await _document(running)
    asked = 0
    for case in CASES:
        told = document["paths"].get(case.route.path_format, {}).get(case.method.lower(), {})
        for name in (one["name"] for one in told.get("parameters", ()) if "date-time" in str(one["schema"])):
            call = case.call(known)
            for end in ENDS:
                query = urlencode({**call.query, name: end})
                answer = await amy.call(case.method, f"{call.path}?{query}")
                assert answer.status < 500, (case, name, end, answer.body)
                asked += 1
    for (text, _), fields in TIMED.items():
        call = next(case for case in CASES if str(case) == text).call(known)
        for end in ENDS:
            body = {**(call.body or {}), **json.loads(json.dumps(fields).replace("{end}", end))}
            answer = await amy.call(call.method, call.path, body)
            assert answer.status < 500, (text, fields, end, answer.body)
            asked += 1
    assert asked > 100


# the server runs in this process, and draws its own random numbers meanwhile
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ROLES)
async def test_nothing_that_is_sent_in_any_role_is_answered_as_undocumented(
    running: Deployment, shown: dict[str, dict[str, str]], known: dict[str, str], role: str
) -> None:
    await _any_input(running, shown, known, role, examples=1)


@pytest.mark.proof
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("role", ROLES)
async def test_nothing_that_is_sent_at_length_is_answered_as_undocumented(
    running: Deployment, shown: dict[str, dict[str, str]], known: dict[str, str], role: str
) -> None:
    await _any_input(running, shown, known, role, examples=60, seed=2)
