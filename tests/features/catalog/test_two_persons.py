"""SA-03: what moves secrets or widens who sees a provider takes two super admins, where there are two."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.given import catalog as given
from tests.given import vault as house
from tests.given.edge import Edge

from isthmus.engine.db import Database
from isthmus.features import access, catalog, vault
from isthmus.features.catalog import store
from isthmus.features.catalog.feature import FEATURE
from isthmus.features.catalog.model.history import Difference
from isthmus.features.catalog.model.proposals import ProposalState, weighty
from isthmus.features.catalog.service import changing, proposals
from isthmus.http import HttpSettings, RequestFacts
from isthmus.kit.clock import SYSTEM
from isthmus.kit.errors import Forbidden
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, Principal
from isthmus.kit.secret import Secret
from isthmus.sandbox.clock import ShiftedClock
from isthmus.scope import System

AT = "/api/admin/integrations"
CHANGES = "/api/admin/provider-changes"


class Office:
    """The deployment's own people: usr_1 with a token, and later Bo with an account."""

    def __init__(self, system: System, clock: ShiftedClock) -> None:
        self.system, self.clock, self.bo = system, clock, ""
        self._edge = Edge(system, *FEATURE.routes, settings=HttpSettings(limits={"provider": 10_000}))

    async def call(self, method: str, path: str, body: Any = None, by: str = "usr_1", **more: Any) -> Any:
        given_body = {**more, **({} if body is None else {"json": body})}
        who = {"tenant": PLATFORM_TENANT, "role": SUPER_ADMIN, "subject": by}
        return await self._edge.call(method, path, **who, **given_body)

    async def hire(self) -> None:
        """Bo gets an account."""
        self.bo = self.bo or await self.another("bo@example.com")

    async def another(self, email: str) -> str:
        """Somebody else gets one; their id."""
        invited = await access.invite(house.platform(self.system), email, [SUPER_ADMIN])
        facts = RequestFacts("req_1", "127.0.0.1")
        return (await access.accept(self.system, facts, invited.shown, Secret("plenty of dew here"))).id

    async def told(self, subject: str) -> list[tuple[str, Any]]:
        """What the log has of a provider."""
        async with house.platform(self.system).tx() as tx:
            rows = await tx.fetch_sql("select type, body from events where subject = $1 order by id", subject)
        return [(row["type"], row["body"]) for row in rows]


@pytest.fixture(scope="module")
async def office(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Office:
    shelf = given.providers(tmp_path_factory.mktemp("providers"), given.manifest("shopee", audience="system"))
    clock = ShiftedClock(SYSTEM)
    more = {access.Hasher: access.Hasher(), access.Settings: access.Settings(), catalog.Settings: catalog.Settings()}
    made = house.process(database, clock=clock, parts={**given.parts(shelf), **more})
    await vault.check_canary(made)
    return Office(made, clock)


def changed(path: str, before: object, after: object) -> tuple[str, ...]:
    return weighty([Difference(path, before, after)])


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("audience", "system", "tenant"),
        ("requiresUserScoping", True, False),
        ("hosts.api", "https://a.example", "https://b.example"),
        ("oauthConfig.tokenUrl", "https://a.example/t", "https://b.example/t"),
        ("oauthConfig.pkce", True, False),
        ("service.attach.0.value", "{api_key}", "{password}"),
        ("webhooks.scheme", "standard", "none"),
        ("credentialFields.0.secret", True, False),
        ("authType", "oauth2", "api_key"),
    ],
)
def test_SA_03_what_moves_secrets_or_widens_an_audience_is_weighty(path: str, before: object, after: object) -> None:
    assert changed(path, before, after) == (path,)


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("audience", "tenant", "system"),
        ("requiresUserScoping", False, True),
        ("credentialFields.0.secret", None, True),
        ("description", "a", "b"),
        ("status", "active", "disabled"),
        ("limits.0.requests", 1, 2),
    ],
)
def test_what_moves_nothing_is_not(path: str, before: object, after: object) -> None:
    assert changed(path, before, after) == ()


async def test_SA_03_a_lone_super_admin_changes_at_once_and_the_log_says_so(office: Office) -> None:
    own = house.platform(office.system)
    await access.invite(own, "early@example.com", [SUPER_ADMIN])  # who is only invited cannot agree to anything
    made = await office.call("POST", AT, given.document("alone"))
    assert made.status_code == 201, made.text
    moved = await office.call("PATCH", f"{AT}/crm/alone", {"hosts": {"api": "https://b.acme.example"}})
    assert moved.status_code == 200, moved.text
    one, two = await office.told("alone")
    assert one == (
        "provider.created",
        {"approval": {"withoutSecondPerson": "only one super admin", "reasons": ["audience"]}},
    )
    assert two[1]["approval"]["reasons"] == ["hosts.api"]
    assert (await office.call("GET", CHANGES)).json()["items"] == []


async def test_SA_03_where_there_are_two_a_weighty_change_waits_for_the_other(office: Office) -> None:
    await office.hire()
    await office.call("POST", AT, given.document("waits") | {"audience": "system"})
    held = await office.call(
        "PATCH", f"{AT}/crm/waits", {"hosts": {"api": "https://b.acme.example"}, "color": "#111111"}
    )
    assert held.status_code == 202, held.text
    proposal = held.json()
    assert (proposal["state"], proposal["provider"], proposal["action"]) == ("open", "waits", "change")
    assert {one["path"]: (one["after"], one["weighty"]) for one in proposal["differences"]} == {
        "color": ("#111111", False),
        "hosts.api": ("https://b.acme.example", True),
    }
    assert (await office.call("GET", f"{AT}/crm/waits")).json()["hosts"]["api"] == "https://api.acme.example"
    own = await office.call("POST", f"{CHANGES}/{proposal['id']}/approve")
    assert (own.status_code, own.json()["error"]["code"]) == (409, "PROVIDER_CHANGE_IS_YOURS")
    done = await office.call("POST", f"{CHANGES}/{proposal['id']}/approve", by=office.bo)
    assert (done.status_code, done.json()["state"]) == (200, "approved")
    assert done.json()["decidedBy"].endswith(office.bo)
    assert (await office.call("GET", f"{AT}/crm/waits")).json()["hosts"]["api"] == "https://b.acme.example"
    again = await office.call("POST", f"{CHANGES}/{proposal['id']}/approve", by=office.bo)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "PROVIDER_CHANGE_CLOSED")
    kinds = await office.told("waits")
    assert [kind for kind, _ in kinds] == [
        "provider.created", "provider.change_proposed", "provider.change_approved", "provider.changed",
    ]  # fmt: skip
    said = kinds[3][1]["approval"]
    assert said["proposal"] == proposal["id"]
    assert (said["proposedBy"].endswith("usr_1"), said["approvedBy"].endswith(office.bo)) == (True, True)


async def test_what_is_harmless_waits_for_nobody(office: Office) -> None:
    await office.hire()
    await office.call("POST", AT, given.document("plain") | {"audience": "system"})
    answer = await office.call("PATCH", f"{AT}/crm/plain", {"description": "Other.", "status": "beta"})
    assert (answer.status_code, answer.json()["description"]) == (200, "Other.")
    assert (await office.told("plain"))[-1] == ("provider.changed", {})


async def test_SA_03_every_way_to_change_a_provider_is_held_to_it(office: Office) -> None:
    await office.hire()
    await office.call("POST", AT, given.document("ways") | {"audience": "system"})
    text = (await office.call("GET", f"{AT}/crm/ways/export")).text
    other = text.replace("api.acme.example", "evil.example")
    await office.call("PATCH", f"{AT}/marketplace/shopee", {"uptime": "98"})
    asked = [
        await office.call("PATCH", f"{AT}/crm/ways/audience", {"audience": "tenant"}),
        await office.call("PATCH", f"{AT}/marketplace/shopee", {"audience": "tenant"}),
        await office.call("POST", f"{AT}/import", {"yaml": other}),
        await office.call("POST", AT, given.document("fresh")),
        await office.call("PUT", f"{AT}/marketplace/shopee/app", {"hosts": {"api": "https://evil.example"}}),
    ]
    assert [one.status_code for one in asked] == [202] * 5
    actions = ["change", "change", "import", "create", "app"]
    assert [one.json()["action"] for one in asked] == actions
    assert (await office.call("GET", f"{AT}/crm/ways")).json()["audience"] == "system"
    assert (await office.call("GET", f"{AT}/crm/fresh")).status_code == 404
    for one in asked:
        answer = await office.call("POST", f"{CHANGES}/{one.json()['id']}/reject")
        assert (answer.status_code, answer.json()["state"]) == (200, "rejected")
    listed = (await office.call("GET", f"{CHANGES}?limit=3")).json()
    assert [one["action"] for one in listed["items"]] == actions[:1:-1]
    assert listed["hasMore"] is True
    with pytest.raises(catalog.SecondPersonNeeded):
        await catalog.change_provider(house.scope(office.system, PLATFORM_TENANT), "ways", audience="tenant")


async def test_SA_03_going_back_to_a_wider_audience_takes_two_as_well(office: Office) -> None:
    await office.hire()
    await office.call("POST", AT, given.document("back"))
    for one in (await office.call("GET", CHANGES)).json()["items"]:
        if one["provider"] == "back":
            await office.call("POST", f"{CHANGES}/{one['id']}/approve", by=office.bo)
    narrowed = await office.call("PATCH", f"{AT}/crm/back/audience", {"audience": "system"})
    assert narrowed.status_code == 200
    held = await office.call("POST", f"{AT}/crm/back/versions/1/rollback")
    assert (held.status_code, held.json()["action"]) == (202, "rollback")
    await office.call("POST", f"{CHANGES}/{held.json()['id']}/approve", by=office.bo)
    assert (await office.call("GET", f"{AT}/crm/back")).json()["audience"] == "tenant"


async def test_SA_03_an_apps_credentials_move_only_as_two_saw_it(office: Office) -> None:
    await office.hire()
    at = f"{AT}/marketplace/shopee/app"
    credentials = {"partner_id": "4711", "partner_key": "canary-of-two"}
    assert (await office.call("PUT", at, {"credentials": credentials})).status_code == 200
    moved = {"hosts": {"api": "https://other.example"}, "credentials": credentials | {"partner_key": "canary-of-more"}}
    held = await office.call("PUT", at, moved)
    assert held.status_code == 202
    assert "canary" not in held.text
    assert {one["path"]: one["weighty"] for one in held.json()["differences"]} == {
        "credentials.partner_id": False,
        "credentials.partner_key": False,
        "hosts.api": True,
    }
    assert (await office.call("GET", at)).json()["hosts"]["api"] == "https://api.example.com"
    own = house.platform(office.system)
    await proposals.reseal(own, None, 10)
    done = await office.call("POST", f"{CHANGES}/{held.json()['id']}/approve", by=office.bo)
    assert done.status_code == 200, done.text
    state = (await office.call("GET", at)).json()
    assert (state["status"], state["hosts"]["api"]) == ("ready", "https://other.example")
    async with own.tx() as tx:
        kept = await tx.fetch_sql("select 1 from provider_proposals where credentials_sealed is not null")
    assert kept == []


async def test_a_key_makes_one_proposal_of_a_change_that_is_sent_twice(office: Office) -> None:
    await office.hire()
    body, key = given.document("keyed"), {"idempotency-key": "once-for-two"}
    one, two = [await office.call("POST", AT, body, headers=key) for _ in range(2)]
    assert (one.status_code, two.status_code) == (202, 202)
    assert one.json()["id"] == two.json()["id"]
    assert two.headers["idempotency-replayed"] == "true"
    approve = f"{CHANGES}/{one.json()['id']}/approve"
    done = [await office.call("POST", approve, by=office.bo, headers={"idempotency-key": "yes"}) for _ in range(2)]
    assert [each.json()["state"] for each in done] == ["approved", "approved"]
    assert (await office.call("GET", f"{AT}/crm/keyed")).json()["audience"] == "tenant"


async def test_a_proposal_that_would_do_something_else_by_now_does_nothing(office: Office) -> None:
    await office.hire()
    await office.call("POST", AT, given.document("stale") | {"audience": "system"})
    held = (await office.call("PATCH", f"{AT}/crm/stale", {"audience": "tenant", "color": "#222222"})).json()
    await office.call("PATCH", f"{AT}/crm/stale", {"color": "#333333"})
    answer = await office.call("POST", f"{CHANGES}/{held['id']}/approve", by=office.bo)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "PROVIDER_CHANGE_STALE")
    assert (await office.call("GET", f"{AT}/crm/stale")).json()["audience"] == "system"


@pytest.mark.parametrize("way", ["create", "change", "app", "already"])
async def test_SA_03_what_somebody_wanted_who_was_removed_since_is_made_by_nobody(office: Office, way: str) -> None:
    await office.hire()
    slug, cy = f"orphan{way}", await office.another(f"cy-{way}@example.com")
    if way != "create":
        await office.call("POST", AT, given.document(slug) | {"audience": "system"})
    asked: dict[str, tuple[str, str, dict[str, Any]]] = {
        "create": ("POST", AT, given.document(slug)),
        "change": ("PATCH", f"{AT}/crm/{slug}/audience", {"audience": "tenant"}),
        "app": ("PUT", f"{AT}/crm/{slug}/app", {"hosts": {"api": "https://b.acme.example"}}),
        "already": ("PATCH", f"{AT}/crm/{slug}", {"requiresUserScoping": False, "audience": "tenant"}),
    }
    held = (await office.call(*asked[way], by=cy)).json()
    assert held["state"] == "open", held
    if way == "already":
        twin = (await office.call(*asked[way])).json()
        assert (await office.call("POST", f"{CHANGES}/{twin['id']}/approve", by=office.bo)).status_code == 200
    await access.remove_member(house.platform(office.system), cy)
    answer = await office.call("POST", f"{CHANGES}/{held['id']}/approve", by=office.bo)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "PROVIDER_CHANGE_HAS_NO_PROPOSER")
    assert (await office.call("GET", f"{CHANGES}/{held['id']}")).json()["state"] == "open"
    assert (await office.told(slug))[-1][0] in {"provider.change_proposed", "provider.changed"}
    turned = await office.call("POST", f"{CHANGES}/{held['id']}/reject", by=office.bo)
    assert (turned.status_code, turned.json()["state"]) == (200, "rejected")


async def test_SA_03_nobody_agrees_to_what_somebody_wanted_who_is_limited_since(office: Office) -> None:
    await office.hire()
    await office.call("POST", AT, given.document("limited") | {"audience": "system"})
    held = (await office.call("PATCH", f"{AT}/crm/limited/audience", {"audience": "tenant"}, by="usr_far")).json()
    own, approve = house.platform(office.system), f"{CHANGES}/{held['id']}/approve"
    limit = await access.limit_account(own, "isthmus", "usr_far", [])
    answer = await office.call("POST", approve, by=office.bo)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "PROVIDER_CHANGE_HAS_NO_PROPOSER")
    await access.free_account(own, limit.id)
    assert (await office.call("POST", approve, by=office.bo)).status_code == 200


async def test_SA_03_somebody_who_is_removed_while_agreeing_agrees_to_nothing(office: Office) -> None:
    await office.hire()
    di = await office.another("di@example.com")
    await office.call("POST", AT, given.document("leaving") | {"audience": "system"})
    held = (await office.call("PATCH", f"{AT}/crm/leaving/audience", {"audience": "tenant"})).json()
    own = house.platform(office.system)
    async with own.tx() as tx:
        await tx.execute_sql("update users set status = 'removed', roles = '{}' where id = $1", di)
        agreeing = asyncio.create_task(office.call("POST", f"{CHANGES}/{held['id']}/approve", by=di))
        await until_somebody_waits(office, agreeing)
    answer = await agreeing
    assert answer.status_code == 403, answer.text
    assert (await office.call("GET", f"{AT}/crm/leaving")).json()["audience"] == "system"


async def until_somebody_waits(office: Office, call: "asyncio.Task[Any]") -> None:
    """Until the call stands behind a row that somebody else holds."""
    waiting = "select count(*) as many from pg_locks where not granted and pid <> pg_backend_pid()"
    async with asyncio.timeout(60):
        while not call.done():
            async with office.system.tx() as tx:
                if (await tx.fetch_sql(waiting))[0]["many"]:
                    return
            await asyncio.sleep(0.01)


async def test_SA_03_what_is_turned_down_while_another_agrees_is_not_made(office: Office) -> None:
    await office.hire()
    await office.call("POST", AT, given.document("down") | {"audience": "system"})
    held = (await office.call("PATCH", f"{AT}/crm/down/audience", {"audience": "tenant"})).json()
    async with house.platform(office.system).tx() as tx:
        turned = await store.update_decided(tx, held["id"], ProposalState.REJECTED, "user:amy", office.clock.now())
        approving = asyncio.create_task(office.call("POST", f"{CHANGES}/{held['id']}/approve", by=office.bo))
        await until_somebody_waits(office, approving)
    answer = await approving
    assert turned
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "PROVIDER_CHANGE_CLOSED")
    assert (await office.call("GET", f"{AT}/crm/down")).json()["audience"] == "system"
    assert [kind for kind, _ in await office.told("down")] == ["provider.created", "provider.change_proposed"]


@pytest.mark.parametrize("way", ["change", "rollback", "app"])
async def test_SA_03_what_is_being_made_is_turned_down_no_more(office: Office, way: str) -> None:
    await office.hire()
    slug = f"late{way}"
    await office.call("POST", AT, given.document(slug) | {"audience": "system"})
    await office.call("PUT", f"{AT}/crm/{slug}/app", {"hosts": {}})
    asked: dict[str, tuple[str, str, dict[str, Any]]] = {
        "change": ("PATCH", f"{AT}/crm/{slug}/audience", {"audience": "tenant"}),
        "rollback": ("POST", f"{AT}/crm/{slug}/versions/1/rollback", {}),
        "app": ("PUT", f"{AT}/crm/{slug}/app", {"hosts": {"api": "https://b.acme.example"}}),
    }
    if way == "rollback":
        moved = await office.call(
            "PATCH", f"{AT}/crm/{slug}", {"authType": "basic", "hosts": {"api": "https://c.example"}}
        )
        await office.call("POST", f"{CHANGES}/{moved.json()['id']}/approve", by=office.bo)
    held = (await office.call(*asked[way])).json()
    assert held["state"] == "open", held
    row = "select 1 as one from {} where {} = $1 for update"
    held_row = row.format("registrations", "provider") if way == "app" else row.format("provider_overrides", "id")
    async with office.system.tx() as tx:
        assert await tx.fetch_sql(held_row, slug)
        approving = asyncio.create_task(office.call("POST", f"{CHANGES}/{held['id']}/approve", by=office.bo))
        await until_somebody_waits(office, approving)
        rejecting = asyncio.create_task(office.call("POST", f"{CHANGES}/{held['id']}/reject"))
    approved, rejected = await asyncio.gather(approving, rejecting)
    assert (approved.status_code, approved.json()["state"]) == (200, "approved"), approved.text
    assert (rejected.status_code, rejected.json()["error"]["code"]) == (409, "PROVIDER_CHANGE_CLOSED")
    kinds = [kind for kind, _ in await office.told(slug)]
    assert kinds.count("provider.change_rejected") == 0
    assert kinds.count("provider.change_approved") == (2 if way == "rollback" else 1)


async def test_SA_03_a_change_that_fails_leaves_its_proposal_open(office: Office) -> None:
    await office.hire()
    wanted = given.document("twice")
    first, second = [(await office.call("POST", AT, wanted)).json() for _ in range(2)]
    assert (await office.call("POST", f"{CHANGES}/{first['id']}/approve", by=office.bo)).status_code == 200
    taken = await office.call("POST", f"{CHANGES}/{second['id']}/approve", by=office.bo)
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "PROVIDER_EXISTS")
    assert (await office.call("GET", f"{CHANGES}/{second['id']}")).json()["state"] == "open"


async def test_SA_03_a_key_proposes_nothing_that_its_holder_could_agree_to(office: Office) -> None:
    await office.hire()
    key = Principal("key", "key_1", "isthmus", PLATFORM_TENANT)
    scope = replace(house.platform(office.system), principal=key)
    document = given.document("bykey")
    wish = proposals.Wish("create", "bykey", {"document": document})
    with pytest.raises(Forbidden, match="a key is none"):
        await proposals.make_or_propose(scope, wish, changing.create_provider(scope, document))
    assert await office.told("bykey") == []


async def test_what_nobody_decides_in_time_is_dropped(office: Office) -> None:
    await office.hire()
    await office.call("POST", AT, given.document("late") | {"audience": "system"})
    held = (await office.call("PATCH", f"{AT}/crm/late/audience", {"audience": "tenant"})).json()
    office.clock.advance(timedelta(days=8).total_seconds())
    answer = await office.call("POST", f"{CHANGES}/{held['id']}/approve", by=office.bo)
    assert (answer.status_code, answer.json()["error"]["details"]["state"]) == (409, "expired")
    await proposals.sweep(office.system)
    assert (await office.call("GET", f"{CHANGES}/{held['id']}")).json()["state"] == "expired"
    assert (await office.call("GET", f"{CHANGES}/pch_nobodys")).status_code == 404
