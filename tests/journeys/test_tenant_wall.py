"""TN-01: every route against every kind of stranger; what is refused looks like what never existed."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from tests.journeys.deployment import KEY, Answer, Deployment, Merchant, sent
from tests.journeys.named import NAMING, NO_NAMES, NOT_OF_TENANTS, Naming
from tests.journeys.routes import (
    BODIES,
    CASES,
    HARMLESS,
    OPEN,
    PATHS,
    PLAIN,
    QUERIES,
    SIGNED,
    Asked,
    Case,
    account_of,
    application,
    belongings,
    connect_session_of,
    endpoint_of,
    files_of,
    function_of,
    glass_of,
    inbound_of,
    key_of,
    member_of,
    source_of,
    unknown,
)

from isthmus.app import api
from isthmus.features.links.store.items import put_items
from isthmus.http import SharedKey, mint, openapi
from isthmus.http.asgi import REQUEST_ID
from isthmus.http.paging import Cursors
from isthmus.kit import ids
from isthmus.kit.permissions import ROLES, TENANT_ADMIN, USER
from isthmus.kit.secret import Secret
from isthmus.sandbox import walk

OURS = [one for one in SIGNED if one.for_tenants]
LISTS = [one for one in OURS if one.method == "GET" and not one.nouns() and not one.streams]
ASKED_ABOUT = [case for case in SIGNED if case.nouns() and not case.streams]
PAGED = [case for case in OURS if "cursor" in case.route.known_query]
#: How the ids begin of requests whose statements are looked at.
_ASKED = "wall-"
#: What is read of the caller before the route: the tenant's standing, and now and then the state of its limits.
_BEFORE = (" tenants", "budget_windows")
_VARYING = {"x-request-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset", "set-cookie", "content-length"}


@dataclass
class Wall:
    """Amy has a shop; Bob has another one; the statements of each request are written down."""

    running: Deployment
    amy: Merchant
    bob: Merchant
    clerk: Merchant
    hers: dict[str, str]
    event: str
    statements: dict[str, list[str]] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)

    async def ask(self, who: Merchant, asked: Asked, **headers: str) -> tuple[Answer, list[str]]:
        """One call, and the statements it made."""
        name = f"{_ASKED}{next(self.numbers)}"
        answer = await who.call(asked.method, asked.address, asked.body, **{"x-request-id": name, **headers})
        return answer, self.statements.get(name, [])

    def reveals(self, answer: Answer) -> list[str]:
        """What of Amy's stands in an answer that did not name it itself."""
        text = str(answer.body) + str(dict(answer.headers))
        return [value for value in (*self.hers.values(), self.amy.tenant_id, "Amy") if value in text]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wall(running: Deployment) -> AsyncIterator[Wall]:
    amy, connection = await running.owner("tiki")
    run = await amy.sync(connection)
    event = str(int(_microseconds(run["startedAt"])) - 1)
    bob, bobs = await running.owner("lazada")
    await bob.sync(bobs)
    hers = await belongings(running, amy, connection, run["id"])
    made = Wall(running, amy, bob, running.person(bob.tenant_id, [USER], "clerk"), hers, event)
    with pytest.MonkeyPatch.context() as patch:
        _listen(made, patch)
        yield made


def _microseconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp() * 1_000_000


def _listen(wall: Wall, patch: pytest.MonkeyPatch) -> None:
    """The driver tells every statement, under the id of the request that made it."""

    def telling(name: str) -> None:
        sent = getattr(asyncpg.Connection, name)

        async def tell(self: asyncpg.Connection, query: str, *rest: Any, **more: Any) -> Any:
            if (asked := REQUEST_ID.get()).startswith(_ASKED):
                text = " ".join(query.split())
                if not text.startswith(("begin", "commit", "rollback")) and not any(one in text for one in _BEFORE):
                    wall.statements.setdefault(asked, []).append(text)
            return await sent(self, query, *rest, **more)

        patch.setattr(asyncpg.Connection, name, tell)

    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
        telling(name)


def _same(one: Answer, other: Answer) -> None:
    """Equal but for what differs between any two answers."""
    assert one.status == other.status
    assert _plain(one.body) == _plain(other.body)
    assert _heads(one) == _heads(other)


def _plain(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    inner = {name: _plain(value) for name, value in body.items()}
    return {name: value for name, value in inner.items() if name not in {"requestId", "timestamp", "took"}}


def _heads(answer: Answer) -> Mapping[str, str]:
    return {name.lower(): value for name, value in answer.headers.items() if name.lower() not in _VARYING}


def test_TN_01_every_route_is_known_here() -> None:
    for case in CASES:
        for place in case.places():
            assert place in PATHS, f"{case}: say in PATHS what stands at {place}"
            assert PATHS[place] or place.rpartition("/")[2].strip("{}") in PLAIN
        unnamed = case.route.known_query - set(QUERIES) - HARMLESS
        assert not unnamed, f"{case}: say in QUERIES or HARMLESS what {unnamed} names"
        assert not case.route.takes_json or str(case) in BODIES, f"{case}: give it a body in BODIES"
    assert {case.route.path for case in CASES if case.permission is None} == OPEN


def test_TN_01_what_is_served_is_what_is_asked_here(wall: Wall) -> None:
    served = {(method, route.path) for route in api(wall.running.platform).inventory for method in route.methods or ()}
    assert served == {(case.method, case.route.path) for case in CASES}


@pytest.mark.parametrize("case", SIGNED, ids=str)
async def test_TN_01_nobody_is_told_to_sign_in(wall: Wall, case: Case) -> None:
    asked = case.call(wall.hers)
    nobody = await _nobody(wall, asked, {})
    assert (nobody.status, nobody.body["error"]["code"]) == (401, "UNAUTHORIZED")
    for shown in ({"authorization": "Bearer " + wall.amy.token[:-4] + "AAAA"}, {"x-api-key": "isk_live_no"}):
        _same(await _nobody(wall, asked, shown), nobody)
    _same(nobody, await _nobody(wall, case.call(unknown()), {}))
    assert "UNAUTHORIZED" in case.codes


def _empty(body: Any) -> bool:
    """Nothing, a list of nothing, or a file with no more than its header."""
    return body.count(b"\n") <= 1 if isinstance(body, bytes) else body["items"] == []


async def _nobody(wall: Wall, asked: Asked, headers: Mapping[str, str]) -> Answer:
    url = wall.running.address + asked.address
    async with (
        aiohttp.ClientSession() as client,
        client.request(asked.method, url, **sent(asked.body), headers=headers, allow_redirects=False) as answer,
    ):
        return Answer(answer.status, answer.headers, await answer.json())


@pytest.mark.parametrize("case", SIGNED, ids=str)
async def test_TN_01_a_role_without_the_permission_is_refused(wall: Wall, case: Case) -> None:
    assert case.permission is not None
    lacking = [[role] for role in ROLES if role not in case.permission.roles and role != "super_admin"]
    for roles in (*lacking, []):
        person = wall.running.person(wall.amy.tenant_id, roles, "low")
        answer, statements = await wall.ask(person, case.call(wall.hers))
        assert (answer.status, answer.body["error"]["code"]) == (403, "PERMISSION_DENIED")
        assert answer.body["error"]["details"] == {"permission": case.permission.name}
        assert statements == []
        assert "PERMISSION_DENIED" in case.codes
        await person.browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keys(wall: Wall) -> tuple[str, str]:
    """Two keys of hers, each with one right that the other lacks."""
    made = []
    for right in ("products:read", "orders:read"):
        body = {"name": right, "permissions": [right]}
        answer = await wall.amy.call("POST", f"/api/merchants/{wall.amy.tenant_id}/api-keys", body)
        assert answer.status == 201, answer.body
        made.append(str(answer.body["data"]["key"]))
    return made[0], made[1]


@pytest.mark.parametrize("case", SIGNED, ids=str)
async def test_TN_01_a_key_without_the_permission_is_refused(wall: Wall, keys: tuple[str, str], case: Case) -> None:
    assert case.permission is not None
    key = keys[1] if case.permission.name == "products:read" else keys[0]
    foreign = await _nobody(wall, case.call(wall.hers), {"x-api-key": key})
    never = await _nobody(wall, case.call(unknown()), {"x-api-key": key})
    assert (foreign.status, foreign.body["error"]["code"]) == (403, "PERMISSION_DENIED")
    assert foreign.body["error"]["details"] == {"permission": case.permission.name}
    _same(foreign, never)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def anns(wall: Wall) -> str:
    """The connection that somebody in Amy's tenant made for herself alone."""
    ann = wall.running.person(wall.amy.tenant_id, [USER], "ann")
    body = {"integrationId": "shopee", "name": "Everybody's own", "userScoped": True}
    made = (await wall.amy.call("POST", "/api/tenant/integrations", body)).body["id"]
    at = f"/api/user/integrations/{made}"
    back = {"returnUrl": wall.running.address + "/"}
    begun = await ann.call("POST", f"{at}/connect/oauth", back)
    assert begun.status == 200, begun.body
    async with ann.browser.get(begun.body["authorizationUrl"], allow_redirects=False) as answer:
        consent = answer.headers["location"]
    async with ann.browser.get(await walk(consent), allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
    state = (await ann.call("GET", f"{at}/connection")).body
    assert state["connected"], state
    return str(state["connectionId"])


@pytest.mark.parametrize("case", [one for one in OURS if "con" in one.nouns()], ids=str)
async def test_TN_01_another_persons_connection_answers_as_one_that_never_was(
    wall: Wall, anns: str, case: Case
) -> None:
    low = wall.running.person(wall.amy.tenant_id, [USER], "low")
    # the log of changes tells an admin that somebody has connected something, and when
    told = case.route.path.startswith("/api/audit")
    for who in (low,) if told else (wall.amy, low):
        theirs, did = await wall.ask(who, case.call({**wall.hers, "con": anns}))
        never, would_do = await wall.ask(who, case.call({**wall.hers, "con": unknown()["con"]}))
        _same(theirs, never)
        assert did == would_do
        assert anns not in str(theirs.body)
    await low.browser.close()


@pytest.mark.parametrize("case", ASKED_ABOUT, ids=str)
async def test_TN_01_a_foreign_id_answers_as_one_that_never_was(wall: Wall, case: Case) -> None:
    for who, role in ((wall.bob, TENANT_ADMIN), (wall.clerk, USER)):
        foreign, did = await wall.ask(who, case.call(wall.hers))
        never, would_do = await wall.ask(who, case.call(unknown()))
        _same(foreign, never)
        assert did == would_do
        assert wall.reveals(foreign) == []
        if case.permission and role not in case.permission.roles:
            assert foreign.status == 403
        elif case.narrows:
            # a file of one's own is empty where a list has no items
            assert foreign.status == 200
            assert _empty(foreign.body)
            assert did
        else:
            assert foreign.status == 404
            assert foreign.body["error"]["code"] in case.codes
            # another merchant is refused before anything is looked up
            assert did or "ten" in case.nouns()


def test_TN_01_every_field_of_a_body_that_names_something_is_known_here() -> None:
    """A new field that ends in `Id` or `Ids` belongs into `named`."""
    known = {(str(one.case), name) for one in NAMING for name in one.names}
    document = openapi.build(application().inventory, title="Isthmus", version="1")
    found = {
        (str(case), name)
        for case in SIGNED
        for name in _named(document, case)
        if name not in NO_NAMES and str(case) not in NOT_OF_TENANTS
    }
    assert found - known == set()
    assert len(found) > 20


def _named(document: Any, case: Case) -> set[str]:
    """The fields of its body, at any depth, that end like those which name something."""
    operation = document["paths"].get(case.route.path_format, {}).get(case.method.lower(), {})
    found: set[str] = set()
    content = operation.get("requestBody", {}).get("content", {})
    waiting, seen = [media["schema"] for media in content.values()], set[str]()
    while waiting:
        schema = waiting.pop()
        name = schema.get("$ref", "").rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            waiting.append(document["components"]["schemas"][name])
        found |= {one for one in schema.get("properties", {}) if one.endswith(("Id", "Ids"))}
        inner = [*schema.get("properties", {}).values(), schema.get("items"), *schema.get("anyOf", ())]
        waiting += [one for one in inner if isinstance(one, dict)]
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deep(wall: Wall) -> tuple[dict[str, str], dict[str, str]]:
    """What is Bob's own; what is Amy's, with a variant and an item of a stock that is shared."""
    own = {**unknown(), **await _his(wall)}
    product = (await wall.bob.call("GET", "/api/products?limit=1")).body["items"][0]
    own |= {"prd": product["id"], "lst": product["listings"][0]["id"]}
    variant = (await wall.amy.call("GET", f"/api/listings/{wall.hers['lst']}")).body["variants"][0]["id"]
    scope, item = wall.running.platform.system.scope(wall.amy.tenant_id, "wall"), ids.new("itm")
    async with scope.tx() as tx:
        await put_items(tx, wall.hers["prd"], [{"id": item, "sku": "shared", "title": "Wall"}], scope.now)
    return own, {**wall.hers, "var": variant, "itm": item}


@pytest.mark.parametrize("naming", NAMING, ids=str)
async def test_TN_01_a_foreign_id_in_a_body_answers_as_one_that_never_was(
    wall: Wall, deep: tuple[dict[str, str], dict[str, str]], naming: Naming
) -> None:
    own, hers = deep
    never_were = {**unknown(), "var": ids.new("var"), "itm": ids.new("itm")}
    foreign, did = await wall.ask(wall.bob, naming.ask(own, hers))
    never, would_do = await wall.ask(wall.bob, naming.ask(own, never_were))
    named = _without(foreign, naming, hers)
    _same(named, _without(never, naming, never_were))
    assert did == would_do
    assert did
    assert wall.reveals(named) == []
    assert foreign.status in {200, 202, 400, 404}


def _without(answer: Answer, naming: Naming, known: Mapping[str, str]) -> Answer:
    """The answer without the ids that its request named itself."""
    text = json.dumps(answer.body)
    for noun in naming.nouns:
        text = text.replace(known[noun], noun)
    return replace(answer, body=json.loads(text))


@pytest.mark.parametrize("case", LISTS, ids=str)
async def test_TN_01_a_stranger_sees_and_changes_only_what_is_his(wall: Wall, case: Case) -> None:
    answer, _ = await wall.ask(wall.bob, case.call(unknown()))
    assert answer.status == 200
    assert wall.reveals(answer) == []


@pytest.mark.parametrize("case", PAGED, ids=str)
async def test_TN_01_another_tenants_cursor_answers_as_an_invented_one(wall: Wall, case: Case) -> None:
    cursors = Cursors(wall.running.platform.cursor_secret, wall.running.platform.clock)
    asked = case.call({**wall.hers, **await _his(wall)})
    binding = (*(text for pair in sorted(asked.query.items()) for text in pair),)
    sealed = cursors.seal("x", (wall.amy.tenant_id, case.route.path, *binding))
    answers = []
    for cursor in (sealed, sealed[:-2] + "AA", "invented"):
        query = {**asked.query, "cursor": cursor}
        answer, _ = await wall.ask(wall.bob, Asked(case.method, asked.path, query))
        assert (answer.status, answer.body["error"]["code"]) == (400, "INVALID_CURSOR")
        answers.append(answer)
    _same(answers[0], answers[1])
    _same(answers[0], answers[2])


#: What is called last: nothing can be called through what it ends.
_ENDS = ("disconnect", "deactivate", "/members/{id}")


#: What the owner has not either: her product is linked with no other one, her member has no login at an issuer.
_UNLINKED = {
    "POST /api/links/unlink": "LINK_NOT_FOUND",
    "PUT /api/products/{id}/inventory": "VALIDATION_ERROR",
    "DELETE /api/tenant/members/{id}/identities/{identity_id}": "IDENTITY_NOT_FOUND",
}


async def _his(wall: Wall) -> dict[str, str]:
    run = (await wall.bob.call("GET", "/api/sync/runs")).body["items"][0]
    own = {"ten": wall.bob.tenant_id, "key": await key_of(wall.bob), "usr": await member_of(wall.bob)}
    own |= {"bgl": await glass_of(wall.running, wall.bob), "acc": await account_of(wall.bob)}
    hooks = {"whe": await endpoint_of(wall.bob), "src": await source_of(wall.bob), **await files_of(wall.bob)}
    shop = (await wall.bob.call("GET", f"/api/connections/{run['connectionId']}")).body
    return {"run": run["id"], "con": shop["id"], "int": shop["integrationId"], **hooks, **own}


async def test_TN_01_the_stream_goes_on_behind_a_foreign_event_with_ones_own_only(wall: Wall) -> None:
    his = await _his(wall)
    headers = {"authorization": f"Bearer {wall.bob.token}", "last-event-id": wall.event}
    seen = ""
    async with (
        wall.bob.browser.get(wall.running.address + "/api/sync/stream", headers=headers) as stream,
        asyncio.timeout(60),
    ):
        while his["run"] not in seen:
            seen += (await stream.content.readline()).decode()
    assert wall.hers["run"] not in seen
    assert wall.hers["con"] not in seen


async def test_TN_01_a_live_stream_about_a_foreign_source_begins_as_one_about_none(wall: Wall) -> None:
    begun = []
    for source in (wall.hers["src"], unknown()["src"]):
        url = f"{wall.running.address}/api/webhooks/stream?sourceId={source}"
        headers = {"authorization": f"Bearer {wall.bob.token}"}
        async with wall.bob.browser.get(url, headers=headers) as stream, asyncio.timeout(60):
            while not (line := (await stream.content.readline()).decode()).startswith("event"):
                pass
            begun.append((stream.status, line))
    assert begun[0] == begun[1] == (200, "event: ready\n")


async def test_TN_01_an_idempotency_key_is_ones_own(wall: Wall) -> None:
    key = {"idempotency-key": "the-same-key"}
    body = {"provider": "shopee"}
    first, _ = await wall.ask(wall.amy, Asked("POST", "/api/connections", body=body), **key)
    again, _ = await wall.ask(wall.amy, Asked("POST", "/api/connections", body=body), **key)
    bobs, _ = await wall.ask(wall.bob, Asked("POST", "/api/connections", body=body), **key)
    assert first.status == again.status == bobs.status == 201
    assert first.body["id"] == again.body["id"] != bobs.body["id"]
    other = Asked("POST", "/api/sync/products", body={"connectionId": wall.hers["con"]})
    foreign, _ = await wall.ask(wall.bob, other, **{"idempotency-key": "another"})
    never, _ = await wall.ask(wall.bob, Asked("POST", "/api/sync/products", body={"connectionId": unknown()["con"]}))
    _same(foreign, never)


async def test_TN_01_a_registration_is_not_told_from_one_that_never_was(wall: Wall) -> None:
    pages = []
    async with aiohttp.ClientSession() as client:
        for registration in ("reg_0000000000000000000000", "nobodys"):
            url = f"{wall.running.address}/api/integrations/oauth/callback/{registration}?state=x&code=y"
            async with client.get(url, allow_redirects=False) as answer:
                pages.append((answer.status, await answer.text()))
    assert pages[0] == pages[1]
    assert pages[0][0] == 404


async def test_TN_01_a_token_that_names_another_tenants_object_by_its_tenant_gets_nothing(wall: Wall) -> None:
    """Somebody signed in for a tenant that does not exist is nobody."""
    token = mint(
        SharedKey(Secret(KEY)),
        tenant_id="ten_nowhere",
        subject="amy",
        roles=[TENANT_ADMIN],
        clock=wall.running.platform.clock,
    )
    ghost = Merchant(wall.running, "ten_nowhere", token.reveal(), wall.bob.browser)
    answer = await ghost.call("GET", "/api/products")
    assert (answer.status, answer.body["error"]["code"]) == (401, "UNAUTHORIZED")


async def test_TN_01_after_all_that_the_owner_has_everything_and_every_call_works(wall: Wall) -> None:
    assert (await wall.amy.call("GET", f"/api/connections/{wall.hers['con']}")).body["status"] == "connected"
    his = await _his(wall)
    his |= {**await inbound_of(wall.bob), "fun": await function_of(wall.running, wall.bob)}
    his |= {"cns": await connect_session_of(wall.bob, his["int"])}
    for case in sorted(
        (one for one in OURS if one.nouns() and not one.passes_on and not one.streams),
        key=lambda one: one.route.path.endswith(_ENDS),
    ):
        who, known = (wall.bob, his) if case.method == "DELETE" else (wall.amy, wall.hers)
        answer, _ = await wall.ask(who, case.call(known))
        fine = {200, 201, 202, 204, 409} if case.method != "GET" else {200}
        if "/connect/" in case.route.path:
            fine = {400, 409}  # it takes no keys and is no person's own, and the return address is not on the list
        if str(case) in _UNLINKED:
            assert answer.body["error"]["code"] == _UNLINKED[str(case)], answer.body
            continue
        assert answer.status in fine, (case, answer.body)
