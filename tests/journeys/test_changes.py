"""A change of what somebody has read is made to that or not at all, on every route (security.md MA-04; generated)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.given import catalog as given
from tests.given.crm import crm
from tests.journeys.changes import CHANGES, NOTHING_READ, STEPS_BACK, Changing, plain
from tests.journeys.deployment import Answer, Deployment, deployment
from tests.journeys.once import Story, begin
from tests.journeys.routes import SIGNED, Case, endpoint_of, inbound_of, member_of


def _changes(case: Case) -> bool:
    """Whether it changes something that somebody may have read."""
    declared = case.route.declaration is not None and case.route.declaration.if_changed is not None
    return (declared or case.method in {"PATCH", "PUT"}) and str(case) not in {*NOTHING_READ, *STEPS_BACK}


CASES = [case for case in SIGNED if _changes(case)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("home")
    async with deployment(database_url, home, CONNECTIONS__ALLOW_NETWORKS="127.0.0.0/8") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(running: Deployment) -> AsyncIterator[Story]:
    amy, connection = await running.owner("tiki")
    await amy.sync(connection)
    found = (await amy.call("GET", f"/api/connections/{connection}")).body
    known = {"con": connection, "int": found["integrationId"], "ten": amy.tenant_id, "usr": await member_of(amy)}
    known |= await inbound_of(amy) | {"whe": await endpoint_of(amy)}
    listings = (await amy.call("GET", "/api/listings?limit=2")).body["items"]
    linked = _fine(await amy.call("POST", "/api/links", {"listingIds": [one["id"] for one in listings]}))
    known["prd"] = linked.body["productId"]
    items = _fine(await amy.call("GET", f"/api/products/{known['prd']}/inventory")).body["items"]
    known["itm"] = items[0]["id"]
    root = f"/api/merchants/{amy.tenant_id}/product-sync/config"
    _fine(await amy.call("POST", root, {"source": "webhook"}))
    async with crm() as far:
        made = await begin(running, amy, known, far)
        for place in (f"tenant/integrations/{made.shared}", f"user/integrations/{made.own}"):
            _fine(await amy.call("POST", f"/api/{place}/connect/api-key", {"apiKey": "key"}))
        seen = given.document("seen") | {"audience": "system"}
        _fine(await made.operator.call("POST", "/api/admin/integrations", seen))
        issuer = {"name": "nowhere", "issuer": "https://of.the.wall", "clientId": "isthmus"}
        _fine(await made.operator.call("POST", "/api/admin/login-issuers", issuer))
        # what shops sell and show is counted no more: nobody but the test changes anything
        await running.rest()
        yield made


def _fine(answer: Answer) -> Answer:
    assert answer.status < 300, answer.body
    return answer


def test_MA_04_every_change_of_a_stored_thing_takes_a_tag_and_says_so() -> None:
    assert {str(case) for case in CASES} == set(CHANGES)
    assert {*NOTHING_READ, *STEPS_BACK} <= {str(case) for case in SIGNED}
    for case in CASES:
        assert case.route.declaration is not None
        conflict = case.route.declaration.if_changed
        assert conflict is not None, case
        assert conflict.code.endswith("_CHANGED"), case
        assert conflict.code in case.codes, case
        assert case.route.declaration.answer is not None
        assert "etag" in case.route.declaration.answer.__struct_fields__, case


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_MA_04_of_changes_of_what_was_read_one_is_made_and_nothing_is_lost(story: Story, case: Case) -> None:
    changing = Changing.of(story, case)
    assert case.route.declaration is not None
    conflict = case.route.declaration.if_changed
    assert conflict is not None
    first = _fine(await changing.send(0))
    read, _ = await changing.read()
    assert first.headers["etag"] == read
    answers = await asyncio.gather(changing.send(1, read), changing.rival(2, read))
    assert sorted(one.status for one in answers) == [first.status, 409], [one.body for one in answers]
    won = 1 if answers[0].status < 300 else 2
    winner, loser = answers[won - 1], answers[2 - won]
    now, shown = await changing.read()
    assert loser.body["error"]["code"] == conflict.code
    assert f'"{loser.body["error"]["details"]["etag"]}"' == winner.headers["etag"] == now != read
    if changing.change.rival is None:
        _stored(changing.body(won), shown)
        late = await changing.send(3 - won, read)
        assert (late.status, late.body["error"]["code"]) == (409, conflict.code)
        again = await changing.send(won, read)
        assert again.status == (409 if changing.change.blind else first.status), (
            "what is so already is changed by nobody"
        )
    else:
        late = await changing.rival(2 + won, read)
        assert (late.status, late.body["error"]["code"]) == (409, conflict.code)
    assert (await changing.read())[0] == now, "nothing was changed by what was refused"
    weak = await changing.rival(3 if changing.change.rival else 3 - won, f"W/{now}")
    assert weak.status == 409
    done = _fine(await changing.rival(4 if changing.change.rival else 3 - won, f'"other", {now}'))
    assert done.headers["etag"] == f'"{plain(done)["etag"]}"' != now


def _stored(body: object, shown: object) -> None:
    """Whatever was sent and is shown is shown as it was sent."""
    if isinstance(body, dict) and isinstance(shown, dict):
        for name in body.keys() & shown.keys():
            _stored(body[name], shown[name])
    elif isinstance(body, list) and isinstance(shown, list) and all(isinstance(one, dict) for one in (*body, *shown)):
        for one, other in zip(body, shown, strict=False):
            _stored(one, other)
    else:
        assert body == shown


async def test_MA_04_what_is_no_list_of_tags_is_refused_and_a_star_fits_whatever_is_there(story: Story) -> None:
    path = f"/api/webhooks/sources/{story.known['src']}"
    wrong = await story.amy.call("PATCH", path, {"name": "Not so"}, **{"if-match": "2026-01-01T00:00:00Z"})
    assert (wrong.status, wrong.body["error"]["details"]["fields"][0]["path"]) == (400, "If-Match")
    assert (await story.amy.call("PATCH", path, {"name": "Whatever"}, **{"if-match": "*"})).status == 200
    nobodys = {"issuer": "https://of.the.wall", "subject": "nobody", "roles": []}
    absent = await story.amy.call("PUT", "/api/tenant/issuer-accounts", nobodys, **{"if-match": "*"})
    assert (absent.status, absent.body["error"]["code"]) == (409, "ISSUER_ACCOUNT_CHANGED")
    assert absent.body["error"]["details"] == {"etag": None}
