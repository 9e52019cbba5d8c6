"""What a list is sorted and filtered by comes from closed tables; anything else asks the database nothing (IN-01)."""

import json
from collections.abc import Iterator
from typing import Any, cast

import httpx2
import pytest
from pydantic import TypeAdapter
from tests.journeys.routes import SIGNED, Case, unknown

from isthmus.app import FEATURES
from isthmus.http import App, HttpSettings, RequestFacts, SharedKey, TokenAuthenticator, create_app, mint, own_issuer
from isthmus.http.settings import LIMITS
from isthmus.kit.clock import ManualClock
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Engine, Scope, System

KEY = SharedKey(Secret("k" * 40))
#: SQL in the place of a name, and letters that only look like those of one: full width, Cyrillic, with a dot below.
STRANGE = ["(select pg_sleep(1))", "name;--", "name desc", "\uff4e\uff41\uff4d\uff45", "n\u0430me", "nam\u1eb9", "NAME"]


class Asked(Exception):
    """Somebody asked the database."""


class Untouched:
    """Stands where the database, the bus, the queue and the parts are; using them is a failure of the test."""

    def __getattr__(self, name: str) -> Any:
        raise Asked(name)


def _scope(principal: Principal, facts: RequestFacts) -> Scope:
    nothing = cast("Any", Untouched())
    return Scope(principal.tenant_id, principal, Engine(nothing, nothing, nothing), CLOCK, facts.request_id)


CLOCK = ManualClock()


@pytest.fixture(scope="module")
def app() -> App:
    return create_app(
        [routes for feature in FEATURES for routes in feature.routes],
        open_scope=_scope,
        authenticators=[TokenAuthenticator([own_issuer(KEY)], CLOCK)],
        secret=Secret("k" * 40),
        settings=HttpSettings(limits=dict.fromkeys(LIMITS, 100_000)),
        system=cast("System", Untouched()),
        clock=CLOCK,
    )


def _parameters() -> Iterator[tuple[Case, str, bool]]:
    """Every query parameter of every route, and whether its values are a closed list."""
    for case in SIGNED:
        for one in case.route.dependant.query_params:
            kind: Any = one.field_info.annotation
            schema = json.dumps(TypeAdapter(kind).json_schema())
            yield case, one.alias, '"enum"' in schema or '"const"' in schema


CLOSED = [(case, name) for case, name, closed in _parameters() if closed and not case.passes_on]


def test_IN_01_everything_that_sorts_is_a_closed_list() -> None:
    sorting = [(str(case), name, closed) for case, name, closed in _parameters() if name in ("sortBy", "sortOrder")]
    assert len(sorting) >= 8
    assert [one for one in sorting if not one[2]] == []


async def _refused(app: App, case: Case, given: dict[str, str]) -> httpx2.Response:
    asked = case.call(unknown())
    role = TENANT_ADMIN if case.for_tenants else SUPER_ADMIN
    tenant = "ten_a" if case.for_tenants else PLATFORM_TENANT
    token = mint(KEY, tenant_id=tenant, subject="usr_1", roles=[role], clock=CLOCK).reveal()
    transport = httpx2.ASGITransport(app=app, client=("203.0.113.9", 4711))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        path = asked.address.partition("?")[0]
        headers = {"authorization": f"Bearer {token}"}
        return await client.request(asked.method, path, params={**asked.query, **given}, headers=headers)


@pytest.mark.parametrize(("case", "name"), CLOSED, ids=str)
async def test_IN_01_what_is_not_on_the_list_is_refused_and_no_statement_is_sent(
    app: App, case: Case, name: str
) -> None:
    for value in STRANGE:
        answer = await _refused(app, case, {name: value})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR"), value


async def test_IN_01_a_name_that_is_no_parameter_is_refused_too(app: App) -> None:
    for case in SIGNED:
        if case.method == "GET" and not case.passes_on:
            for name in ("orderBy", "sort_by", "sortBy;--", "\uff53ortBy"):
                assert (await _refused(app, case, {name: "name"})).status_code == 400, (str(case), name)


#: What is personal of an order or a customer, and is shown to those alone who may read it.
PERSONAL = (
    "phone",
    "email",
    "customer",
    "customerName",
    "shippingAddress",
    "billingAddress",
    "buyerNote",
    "sellerNote",
)


async def test_SC_04_nothing_is_sorted_or_narrowed_by_what_is_personal(app: App) -> None:
    """To sort by a hidden field, or to ask for the beginning of one, is to read it."""
    for case, name in CLOSED:
        if name == "sortBy":
            for value in PERSONAL:
                assert (await _refused(app, case, {name: value})).status_code == 400, (str(case), value)
    known = {name for case in SIGNED for name in case.route.known_query}
    assert known & set(PERSONAL) == set(), "and what is no parameter is refused, as the other tests show"
