"""Every route counts against the class that document 002 gives it, and every answer says how one stands (RL-01, RL-11).

No database takes part: what is counted is counted before a route does anything.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import httpx2
import pytest
from tests.journeys.routes import CASES, SIGNED, Case, unknown

from isthmus.app import FEATURES
from isthmus.http import App, HttpSettings, RequestFacts, SharedKey, TokenAuthenticator, create_app, mint, own_issuer
from isthmus.http.settings import BY_ADDRESS, LIMITS, LimitClass
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Unavailable
from isthmus.kit.figures import Figure
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

#: Document 002, Rate Limits: requests a minute.
DOCUMENTED: dict[LimitClass, int] = {"provider": 100, "integration": 200, "connection": 50, "search": 30, "widget": 100}
#: What of a path says which kind of endpoint it is; the first that fits counts.
KINDS: list[tuple[str, LimitClass]] = [
    (r"/api/admin/integrations", "provider"),
    (r"/api/integrations/(search|\{\w+\}/search)$", "search"),
    (r"/api/tenant/integrations/\{\w+\}/widgets/", "widget"),
    (r"/api/tenant/integrations/\{\w+\}/(connect/|connection|credentials|disconnect)", "connection"),
    (r"/api/user/integrations|/api/connections|/api/connect-sessions", "connection"),
    (r"/api/integrations|/api/tenant/integrations", "integration"),
    # a machine tells of its own events here, as often as they happen
    (r"POST /api/events$", "event"),
]
KEY = SharedKey(Secret("k" * 40))
MOST = 2
#: Making the description takes seconds, and it counts like the other open routes.
QUICK = [case for case in CASES if not case.route.path.startswith("/api/openapi")]
NAMES = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


class Away:
    """Stands where the platform's hand is; whoever uses it learns that nothing is there."""

    clock = ManualClock()

    @property
    def now(self) -> None:
        raise Unavailable

    def __getattr__(self, _: str) -> None:
        raise Unavailable


def _nothing(_: Principal, __: RequestFacts) -> Scope:
    raise Unavailable


async def _silent() -> list[Figure]:
    return []


class Door:
    """All routes of the product behind small limits."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.app: App = create_app(
            [routes for feature in FEATURES for routes in feature.routes],
            open_scope=_nothing,
            authenticators=[TokenAuthenticator([own_issuer(KEY)], self.clock)],
            secret=Secret("k" * 40),
            settings=HttpSettings(limits=dict.fromkeys(LIMITS, MOST), tenant_factor=3),
            system=cast("System", Away()),
            clock=self.clock,
            figures=_silent,
        )

    def token(self, case: Case, tenant: str, subject: str) -> dict[str, str]:
        """Somebody who may call it."""
        ours = case.for_tenants
        roles = [TENANT_ADMIN] if ours else [SUPER_ADMIN]
        shown = mint(KEY, tenant_id=tenant if ours else PLATFORM_TENANT, subject=subject, roles=roles, clock=self.clock)
        return {"authorization": f"Bearer {shown.reveal()}"}

    @asynccontextmanager
    async def client(self, peer: str) -> AsyncIterator[httpx2.AsyncClient]:
        """Somebody at an address."""
        transport = httpx2.ASGITransport(app=self.app, client=(peer, 4711), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


@pytest.fixture(scope="module")
def door() -> Door:
    return Door()


def test_the_classes_admit_what_the_document_says() -> None:
    assert {name: LIMITS[name] for name in DOCUMENTED} == DOCUMENTED


@pytest.mark.parametrize("case", CASES, ids=str)
def test_RL_11_every_route_is_of_the_class_that_the_document_gives_it(case: Case) -> None:
    assert case.route.declaration is not None
    given = case.route.declaration.limit
    if case.permission is None:
        assert given in BY_ADDRESS
    else:
        told = (case.route.path, f"{case.method} {case.route.path}")
        assert given == next((name for kind, name in KINDS if any(re.match(kind, one) for one in told)), "other")


def _standing(answer: httpx2.Response) -> list[int]:
    assert set(NAMES) <= set(answer.headers), (answer.status_code, answer.headers)
    return [int(answer.headers[name]) for name in NAMES]


@pytest.mark.parametrize("case", QUICK, ids=str)
async def test_RL_01_every_route_counts_and_every_answer_says_how_one_stands(door: Door, case: Case) -> None:
    number = CASES.index(case)
    asked = case.call(unknown())
    signed = {} if case.permission is None else door.token(case, f"ten_{number}", f"usr_{number}")
    body = None if asked.body is None or "file" in asked.body else dict(asked.body)
    async with door.client(f"198.51.{number // 250}.{number % 250 + 1}") as client:
        answers = [
            await client.request(asked.method, asked.address, json=body, headers=signed) for _ in range(MOST + 1)
        ]
        door.clock.advance(61)
        later = await client.request(asked.method, asked.address, json=body, headers=signed)
    now = int(door.clock.now().timestamp()) - 61
    stood = [_standing(answer) for answer in answers]
    assert [one[:2] for one in stood] == [[MOST, 1], [MOST, 0], [MOST, 0]]
    assert all(now < one[2] <= now + 61 for one in stood)
    assert [answer.status_code == 429 for answer in (*answers, later)] == [False, False, True, False]
    refused = answers[-1]
    error = refused.json()["error"]
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    assert error["retryAfter"] == int(refused.headers["retry-after"]) == stood[-1][2] - now
    assert "RATE_LIMIT_EXCEEDED" in case.codes


@pytest.mark.parametrize("name", sorted(set(LIMITS) - BY_ADDRESS))
async def test_RL_01_each_class_counts_by_itself_for_a_person_and_for_all_of_a_tenant(
    door: Door, name: LimitClass
) -> None:
    cases = [one for one in SIGNED if one.route.declaration and one.route.declaration.limit == name]
    case = next((one for one in cases if one.method == "GET" and not one.streams), cases[0])
    asked = case.call(unknown())
    door.clock.advance(61)
    async with door.client("203.0.113.77") as client:

        async def call(tenant: str, subject: str) -> int:
            headers = door.token(case, tenant, subject)
            return (await client.request(asked.method, asked.address, json=asked.body, headers=headers)).status_code

        codes = [await call("ten_many", f"usr_{number}") for number in range(7)]
        assert [code == 429 for code in codes] == [False] * 6 + [True]
        other = await call("ten_alone", "usr_0")
        assert (other == 429) is (not case.for_tenants)


@pytest.mark.parametrize("case", [one for one in SIGNED if one.for_tenants], ids=str)
async def test_RL_01_refusals_say_how_one_stands_too(door: Door, case: Case) -> None:
    asked = case.call(unknown())
    low = mint(KEY, tenant_id=f"ten_low_{CASES.index(case)}", subject="low", roles=[], clock=door.clock).reveal()
    async with door.client("203.0.113.78") as client:
        for headers, status in (({"authorization": f"Bearer {low}"}, 403), ({}, 401)):
            answer = await client.request(asked.method, asked.address, headers=headers)
            assert answer.status_code == status
            limit, left, reset = _standing(answer)
            assert limit >= left >= 0
            assert reset >= int(door.clock.now().timestamp())
