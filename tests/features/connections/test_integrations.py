"""Integrations as tenants see them over HTTP (document 002, Tenant Integration Endpoints)."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from tests.given import vault
from tests.given.connections import BASE, Side, World, api, world

from isthmus.engine.db import Database
from isthmus.features import catalog, connections
from isthmus.features.catalog.service.changing import reset_provider
from isthmus.features.connections.model import integration as model
from isthmus.features.connections.service import integrations
from isthmus.features.connections.store import integrations as store
from isthmus.kit import ids
from isthmus.kit.errors import Problem

HOME = "/api/tenant/integrations"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(database: Database) -> AsyncIterator[World]:
    async with world(database) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def here(opened: World) -> World:
    await opened.clear()
    opened.far.keys = {"good": "acc_1", "better": "acc_1", "other": "acc_2"}
    return opened


def refused(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def wrong(answer: httpx2.Response) -> set[str]:
    assert refused(answer) == (400, "VALIDATION_ERROR"), answer.text
    return {one["path"] for one in answer.json()["error"]["details"]["fields"]}


async def make(side: Side, provider: str = "keys", name: str = "Ours", **more: Any) -> dict[str, Any]:
    answer = await side("POST", HOME, {"integrationId": provider, "name": name, **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{HOME}/{answer.json()['id']}"
    return dict(answer.json())


async def connect(side: Side, made: dict[str, Any], key: str = "good") -> str:
    answer = await side("POST", f"{HOME}/{made['id']}/connect/api-key", {"apiKey": key})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["connectionId"])


async def test_an_integration_is_made_seen_and_waits_for_its_connection(here: World) -> None:
    side = here.side("ten_a")
    made = await make(side, "desk", " Help  desk ", settings={"site": "acme"}, allowedShardTypes=["contact"])
    assert made["name"] == "Help desk"
    assert (made["status"], made["connectionStatus"], made["connectionId"]) == ("pending", None, None)
    assert (made["integrationId"], made["providerName"], made["category"]) == ("desk", "desk", "support")
    assert made["settings"] == {"site": "acme"}
    assert (made["allowedShardTypes"], made["searchEnabled"], made["userScoped"]) == (["contact"], True, False)
    assert made["tenantId"] == "ten_a"
    assert made["enabledBy"] == "user:isthmus:usr_1"
    assert (await side("GET", f"{HOME}/{made['id']}")).json() == made
    events = await here.events("ten_a", "integration.created")
    assert events[-1]["body"] == {"provider": "desk", "name": "Help desk"}


async def test_what_was_read_can_be_sent_back_and_what_only_we_write_cannot_be_changed(here: World) -> None:
    side = here.side("ten_a")
    made = await make(side, "desk", "Desk", settings={"site": "acme"})
    again = await side("PATCH", f"{HOME}/{made['id']}", made)
    assert (again.status_code, again.json()) == (200, made)
    renamed = await side("PATCH", f"{HOME}/{made['id']}", {**made, "name": "Help"})
    told = (await here.events("ten_a", "integration.updated"))[-1]
    assert (told["before"]["name"], told["after"]["name"]) == ("Desk", "Help")
    assert {"allowedShardTypes", "userScoped", "proxyEnabled"} < told["after"].keys()
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Help")
    refused_ = await side("PATCH", f"{HOME}/{made['id']}", {"status": "connected", "tenantId": "ten_b", "name": "No"})
    assert wrong(refused_) == {"status", "tenantId"}
    assert "activate" in refused_.text
    assert (await side("GET", f"{HOME}/{made['id']}")).json()["name"] == "Help"
    assert refused(await side("PATCH", f"{HOME}/int_none", {"id": "int_none"})) == (404, "INTEGRATION_NOT_FOUND")


async def test_MA_04_of_two_changes_at_once_one_is_refused_and_nothing_is_lost(here: World) -> None:
    side = here.side("ten_a")
    made = await make(side, "desk", settings={"site": "acme"})
    place = f"{HOME}/{made['id']}"
    here.clock.advance(1)
    wishes = [{**made, "settings": {"site": "one"}}, {**made, "description": "two", "settings": {"site": "two"}}]
    answers = await asyncio.gather(*(side("PATCH", place, wish) for wish in wishes))
    assert sorted(one.status_code for one in answers) == [200, 409]
    late = next(one for one in answers if one.status_code == 409)
    (kept,) = (one.json() for one in answers if one.status_code == 200)
    assert refused(late) == (409, "INTEGRATION_CHANGED")
    assert late.json()["error"]["details"] == {"updatedAt": kept["updatedAt"], "etag": kept["etag"]}
    assert (await side("GET", place)).json() == kept
    lost = wishes[0] if kept["description"] else wishes[1]
    here.clock.advance(1)
    again = await side("PATCH", place, {**lost, "updatedAt": kept["updatedAt"]})
    assert again.status_code == 200, again.text
    assert again.json()["settings"] == lost["settings"]
    same = await side("PATCH", place, {"settings": lost["settings"], "updatedAt": made["updatedAt"]})
    assert same.status_code == 200, "what is so already is changed by nobody"
    for name in ("updatedAt", "etag"):
        assert wrong(await side("PATCH", place, {name: None})) == {name}
    echoed = {name: value for name, value in made.items() if name != "updatedAt"} | {"description": "late"}
    assert refused(await side("PATCH", place, echoed)) == (409, "INTEGRATION_CHANGED"), (
        "the tag that was read is sent back"
    )


async def test_MA_04_different_fields_at_once_are_both_kept(here: World) -> None:
    side = here.side("ten_a")
    made = await make(side, "desk", settings={"site": "acme"})
    place = f"{HOME}/{made['id']}"
    answers = await asyncio.gather(
        side("PATCH", place, {"description": "new"}), side("PATCH", place, {"searchEnabled": False})
    )
    assert [one.status_code for one in answers] == [200, 200]
    shown = (await side("GET", place)).json()
    assert (shown["description"], shown["searchEnabled"], shown["settings"]) == ("new", False, {"site": "acme"})


async def test_a_key_that_cannot_be_sent_is_told_as_such_and_one_that_is_refused_with_the_far_sides_words(
    here: World,
) -> None:
    side = here.side("ten_a")
    made = await make(side)
    split = await side("POST", f"{HOME}/{made['id']}/connect/api-key", {"apiKey": "can\nary"})
    assert refused(split) == (400, "INVALID_CREDENTIALS")
    assert "cannot be sent" in split.json()["error"]["message"]
    absent = await side("GET", f"{HOME}/{made['id']}/connection")
    assert refused(absent) == (404, "CONNECTION_NOT_FOUND")
    assert "connect it first" in absent.json()["error"]["message"]


async def test_a_name_is_taken_once_whatever_its_letters(here: World) -> None:
    side = here.side("ten_a")
    first = await make(side, name="Sales")
    again = await side("POST", HOME, {"integrationId": "keys", "name": "SALES"})
    assert refused(again) == (409, "INTEGRATION_NAME_TAKEN")
    second = await make(side, name="Support")
    renamed = await side("PATCH", f"{HOME}/{second['id']}", {"name": "sales"})
    assert refused(renamed) == (409, "INTEGRATION_NAME_TAKEN")
    assert (await side("PATCH", f"{HOME}/{first['id']}", {"name": "SALES"})).json()["name"] == "SALES"
    assert (await make(here.side("ten_b"), name="Sales"))["name"] == "Sales"


async def test_a_name_given_with_credentials_is_a_name_like_any_other_and_the_log_has_it(here: World) -> None:
    side = here.side("ten_001")
    await make(side, name="Taken")
    made = await make(side, name="First")
    at = f"{HOME}/{made['id']}"
    taken = await side("POST", f"{at}/connect/api-key", {"apiKey": "good", "displayName": "taken"})
    assert refused(taken) == (409, "INTEGRATION_NAME_TAKEN")
    assert (await side("GET", at)).json()["status"] == "pending"
    done = await side("POST", f"{at}/connect/api-key", {"apiKey": "good", "displayName": "Second"})
    assert done.status_code == 200, done.text
    assert (await side("GET", at)).json()["name"] == "Second"
    (told,) = [one for one in await here.events("ten_001", "integration.updated") if one["subject"] == made["id"]]
    assert (told["before"]["name"], told["after"]["name"]) == ("First", "Second")


async def test_an_api_key_is_replaced_by_the_name_that_it_was_given_by(here: World) -> None:
    side = here.side("ten_001")
    made = await make(side)
    await connect(side, made)
    body = {"credentialType": "api_key", "credentials": {"apiKey": "better"}}
    assert (await side("PATCH", f"{HOME}/{made['id']}/credentials", body)).status_code == 200
    consent = {"credentialType": "oauth", "credentials": {"apiKey": "better"}}
    kind = await side("PATCH", f"{HOME}/{made['id']}/credentials", consent)
    assert refused(kind) == (409, "CONSENT_NEEDED")
    assert "takes credentials of the kind api_key" in kind.json()["error"]["message"]
    both = {"credentialType": "api_key", "credentials": {"apiKey": "better", "api_key": "good"}}
    assert refused(await side("PATCH", f"{HOME}/{made['id']}/credentials", both)) == (400, "WRONG_CREDENTIAL_KIND")


async def test_where_a_provider_has_each_person_connect_alone_no_connection_of_the_whole_tenant_is_made(
    here: World,
) -> None:
    side = here.side("ten_001")
    await catalog.change_provider(vault.platform(here.system), "keys", fields={"user_scoping": True})
    try:
        made = await make(side)
        assert made["userScoped"] is True
        shared = await side("POST", HOME, {"integrationId": "keys", "name": "Shared", "userScoped": False})
        assert wrong(shared) == {"userScoped"}
        assert wrong(await side("PATCH", f"{HOME}/{made['id']}", {"userScoped": False})) == {"userScoped"}
        assert refused(await side("POST", f"{HOME}/{made['id']}/connect/api-key", {"apiKey": "good"})) == (
            409, "USER_SCOPED",
        )  # fmt: skip
        straight = await side("POST", "/api/connections", {"provider": "keys", "apiKey": "good"})
        assert refused(straight) == (409, "USER_SCOPED")
        own = await side("POST", f"/api/user/integrations/{made['id']}/connect/api-key", {"apiKey": "good"})
        assert own.status_code == 200, own.text
    finally:
        await reset_provider(vault.platform(here.system), "keys")


async def test_every_wrong_field_is_named_at_once(here: World) -> None:
    side = here.side("ten_a")
    body = {
        "integrationId": "desk",
        "name": "Desk",
        "icon": "<script>",
        "settings": {"site": "UPPER", "colour": "red", "locale": ["x"], "pin": "canary-1234"},
        "allowedShardTypes": ["product"],
        "searchableEntities": ["Contact", "Nothing"],
        "allowedRoles": ["super_admin"],
    }
    answer = await side("POST", HOME, body)
    said = {one["path"]: one["message"] for one in answer.json()["error"]["details"]["fields"]}
    assert said["allowedRoles.0"].startswith("There is no such role; there is: tenant_admin")
    paths = wrong(answer)
    assert paths == {
        "icon", "settings.site", "settings.colour", "settings.locale", "settings.pin", "allowedShardTypes.0",
        "searchableEntities.1", "allowedRoles.0",
    }  # fmt: skip
    assert wrong(await side("POST", HOME, {"integrationId": "desk", "name": "Desk"})) == {"settings.site"}
    assert refused(await side("POST", HOME, {"integrationId": "nobody", "name": "X"})) == (404, "PROVIDER_NOT_FOUND")
    assert wrong(await side("POST", HOME, {"integrationId": "keys", "name": " "})) == {"name"}


async def test_a_change_touches_what_is_given_only(here: World) -> None:
    side = here.side("ten_a")
    made = await make(side, "desk", "Desk", settings={"site": "acme"}, description="Old", searchableEntities=["Ticket"])
    after = (await side("PATCH", f"{HOME}/{made['id']}", {"description": "New", "icon": "bell"})).json()
    assert (after["description"], after["icon"], after["searchableEntities"]) == ("New", "bell", ["Ticket"])
    assert after["settings"] == {"site": "acme"}
    same = (await side("PATCH", f"{HOME}/{made['id']}", {"description": "New"})).json()
    assert same["updatedAt"] == after["updatedAt"]
    assert wrong(await side("PATCH", f"{HOME}/{made['id']}", {"settings": {}})) == {"settings.site"}
    assert wrong(await side("PATCH", f"{HOME}/{made['id']}", {"status": "connected"})) == {"status"}
    assert refused(await side("PATCH", f"{HOME}/int_no", {"name": "x"})) == (404, "INTEGRATION_NOT_FOUND")


async def test_the_list_is_filtered_searched_sorted_and_counted(here: World) -> None:
    side = here.side("ten_list")
    made = [await make(side, "keys", name) for name in ("Banana", "apple", "Cherry pie")]
    desk = await make(side, "desk", "Desk", settings={"site": "x"}, description="for apple pickers")
    await connect(side, made[0])
    await side("POST", f"{HOME}/{made[2]['id']}/deactivate")

    async def names(query: str = "") -> tuple[list[str], int]:
        answer = (await side("GET", f"{HOME}?{query}")).json()
        return [one["name"] for one in answer["integrations"]], answer["total"]

    assert await names() == (["Banana", "apple", "Cherry pie", "Desk"], 4)
    assert await names("sortBy=name&sortOrder=desc") == (["Desk", "Cherry pie", "Banana", "apple"], 4)
    assert await names("status=connected") == (["Banana"], 1)
    assert await names("status=disabled") == (["Cherry pie"], 1)
    assert await names("status=pending&providerName=keys") == (["apple"], 1)
    assert await names("search=APPLE") == (["apple", "Desk"], 2)
    assert await names("providerName=desk") == (["Desk"], 1)
    page = (await side("GET", f"{HOME}?limit=3&offset=0")).json()
    assert (page["hasMore"], page["nextOffset"], page["limit"], page["offset"]) == (True, 3, 3, 0)
    assert wrong(await side("GET", f"{HOME}?status=active")) == {"status"}
    assert (await here.side("ten_other")("GET", HOME)).json()["total"] == 0
    await side("DELETE", f"{HOME}/{desk['id']}?permanent=true")
    assert (await names())[1] == 3


async def test_deactivated_nothing_goes_through_and_activated_it_does(here: World) -> None:
    side, scope = here.side("ten_a"), here.scope("ten_a")
    made = await make(side)
    assert refused(await side("POST", f"{HOME}/{made['id']}/activate")) == (409, "INTEGRATION_NOT_CONNECTED")
    connection = await connect(side, made)
    off = (await side("POST", f"{HOME}/{made['id']}/deactivate")).json()
    assert (off["id"], off["status"]) == (made["id"], "disabled")
    with pytest.raises(connections.IntegrationDisabled):
        async with connections.session(scope, connection):
            pytest.fail("it is off")
    assert (await side("POST", f"{HOME}/{made['id']}/connection/test")).json()["success"] is True
    on = (await side("POST", f"{HOME}/{made['id']}/activate")).json()
    assert (on["status"], on["enabledBy"]) == ("connected", "user:isthmus:usr_1")
    async with connections.session(scope, connection) as session:
        await session.client.get("/me")
    kinds = [len(await here.events("ten_a", f"integration.{kind}")) for kind in ("activated", "deactivated")]
    assert kinds == [1, 1]


async def test_delete_disables_and_permanently_removes_with_the_credentials(here: World) -> None:
    side = here.side("ten_a")
    made = await make(side)
    connection = await connect(side, made)
    assert (await side("DELETE", f"{HOME}/{made['id']}")).status_code == 204
    assert (await side("GET", f"{HOME}/{made['id']}")).json()["status"] == "disabled"
    assert (await side("GET", f"/api/connections/{connection}")).status_code == 200
    assert (await side("DELETE", f"{HOME}/{made['id']}?permanent=true")).status_code == 204
    assert refused(await side("GET", f"{HOME}/{made['id']}")) == (404, "INTEGRATION_NOT_FOUND")
    assert (await side("GET", f"/api/connections/{connection}")).status_code == 404
    assert refused(await side("DELETE", f"{HOME}/{made['id']}")) == (404, "INTEGRATION_NOT_FOUND")


async def test_a_limited_integration_is_for_its_people_and_for_admins(here: World) -> None:
    admin, scope = here.side("ten_a"), here.scope("ten_a")
    made = await make(admin, allowedUsers=["ann"], allowedRoles=[])
    connection = await connect(admin, made)
    ann, bob = here.side("ten_a", "ann", "user"), here.side("ten_a", "bob", "user")
    assert (await ann("GET", f"/api/connections/{connection}")).status_code == 200
    assert (await bob("GET", f"/api/connections/{connection}")).status_code == 404
    assert (await bob("GET", f"/api/connections/{connection}/logs")).status_code == 404
    assert [(await one("GET", "/api/connections")).json()["total"] for one in (admin, ann, bob)] == [1, 1, 0]
    reach = {who: await connections.reach(here.person("ten_a", who, "user")) for who in ("ann", "bob")}
    assert [len(reach["ann"]), len(reach["bob"]), len(await connections.reach(scope))] == [1, 0, 1]
    with pytest.raises(connections.NotForYou):
        await connections.use(here.person("ten_a", "bob", "user"), made["id"])
    await admin("PATCH", f"{HOME}/{made['id']}", {"allowedUsers": [], "allowedRoles": ["user"]})
    assert (await bob("GET", f"/api/connections/{connection}")).status_code == 200


async def test_TN_01_another_tenants_integration_is_not_there(here: World) -> None:
    made = await make(here.side("ten_a"))
    stranger = here.side("ten_b")
    for method, path in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/activate"), ("POST", "/deactivate"), ("GET", "/users"),
        ("POST", "/users/usr_1/disconnect"), ("GET", "/connection"), ("POST", "/disconnect"),
    ):  # fmt: skip
        answer = await stranger(method, f"{HOME}/{made['id']}{path}", {"name": "x"} if method == "PATCH" else None)
        assert refused(answer) == (404, "INTEGRATION_NOT_FOUND"), path


async def test_each_refusal_of_the_table_of_document_002(here: World) -> None:
    side, made = here.side("ten_a"), await make(here.side("ten_a"))
    path = f"{HOME}/{made['id']}"
    assert refused(await here.side()("GET", HOME)) == (401, "UNAUTHORIZED")
    assert refused(await here.side("ten_a", role="user")("GET", HOME)) == (403, "PERMISSION_DENIED")
    assert refused(await side("GET", f"{HOME}/int_none")) == (404, "INTEGRATION_NOT_FOUND")
    assert refused(await side("POST", HOME, {"integrationId": "none", "name": "x"})) == (404, "PROVIDER_NOT_FOUND")
    assert refused(await side("POST", HOME, {"integrationId": "keys"})) == (400, "VALIDATION_ERROR")
    bad = await side("POST", f"{path}/connect/api-key", {"apiKey": "canary-bad"})
    assert refused(bad) == (400, "INVALID_CREDENTIALS")
    assert "canary-bad" not in bad.text
    here.far.statuses = [503] * 8
    assert refused(await side("POST", f"{path}/connect/api-key", {"apiKey": "good"})) == (502, "CONNECTION_FAILED")
    here.far.statuses = []
    assert refused(await side("GET", f"{path}/connection")) == (404, "CONNECTION_NOT_FOUND")
    wrong_kind = await side("POST", f"{path}/connect/basic", {"username": "u", "password": "p"})
    assert refused(wrong_kind) == (400, "WRONG_CREDENTIAL_KIND")


async def test_a_type_that_is_not_allowed_passes_nowhere(here: World) -> None:
    side, scope = here.side("ten_a"), here.scope("ten_a")
    made = await make(side, "desk", settings={"site": "x"}, allowedShardTypes=["contact"])
    connection = await connect(side, made)
    assert [await connections.allows(scope, made["id"], one) for one in ("contact", "ticket")] == [True, False]
    async with scope.tx() as tx:
        await connections.check_writing(tx, connection, "contact")
        with pytest.raises(connections.ShardTypeForbidden) as refusal:
            await connections.check_writing(tx, connection, "ticket")
    assert refusal.value.status == 403
    assert refusal.value.details == {"shardType": "ticket", "allowed": ["contact"]}


def test_the_lifecycle_of_document_003_maps_onto_what_is_shown() -> None:
    assert [model.lifecycle(one) for one in model.STATES] == ["configuring", "active", "error", "inactive"]
    testing = [model.lifecycle(one, testing=True) for one in model.STATES]
    assert testing == ["testing", "testing", "testing", "inactive"]


async def test_while_a_test_runs_the_integration_says_so_and_one_that_died_is_over_in_time(here: World) -> None:
    made = await make(here.side("ten_a"), "desk", "Tested", settings={"site": "north"})
    scope = here.scope("ten_a")
    async with scope.tx() as tx:
        await store.update_testing(tx, made["id"], scope.now + timedelta(minutes=1))
    assert (await connections.integration(scope, made["id"])).is_testing(scope.now)
    assert not (await connections.integration(scope, made["id"])).is_testing(scope.now + timedelta(minutes=1))


async def test_records_whose_removal_was_lost_are_removed_by_the_reconciler(here: World) -> None:
    made = await make(here.side("ten_a"), "desk", "Purged", settings={"site": "north"})
    scope = here.scope("ten_a")
    await here.side("ten_a")("PATCH", f"{HOME}/{made['id']}", {"allowedShardTypes": ["contact"]})
    async with here.system.tx() as tx:
        assert await integrations.unpurged(here.system, tx) == [], "it has only just begun"
    here.clock.advance(120)
    async with here.system.tx() as tx:
        assert [one.key for one in await integrations.unpurged(here.system, tx)] == [made["id"]]
    await integrations.purge(scope, made["id"])
    async with here.system.tx() as tx:
        assert await integrations.unpurged(here.system, tx) == []


def test_limits_are_for_people_and_not_for_keys_or_work() -> None:
    assert issubclass(connections.NotForYou, Problem)
    assert connections.NotForYou.status == connections.UserScopeDenied.status == 403


async def test_too_many_requests_are_told_when_to_come_back(here: World) -> None:
    """Document 002, Rate Limiting: 200 a minute for integrations and 50 for connections, here two of each."""
    side = here.side("ten_busy")
    limited = api(here.system, integration=2, connection=2)
    side.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=limited), base_url=BASE)
    for path in (HOME, f"{HOME}/int_no/connection"):
        answers = [await side("GET", path) for _ in range(3)]
        assert refused(answers[2]) == (429, "RATE_LIMIT_EXCEEDED")
        assert int(answers[2].headers["retry-after"]) == answers[2].json()["error"]["retryAfter"] > 0
        assert [one.headers["x-ratelimit-remaining"] for one in answers] == ["1", "0", "0"]
        assert answers[0].headers["x-ratelimit-limit"] == "2"


def differing(answer: httpx2.Response) -> tuple[str, set[str]]:
    assert answer.status_code == 200, answer.text
    return answer.json()["outcome"], {one["path"] for one in answer.json()["differences"]}


async def test_an_integration_goes_out_and_in_as_yaml_with_a_look_first(here: World) -> None:
    side, other = here.side("ten_a"), here.side("ten_b")
    made = await make(side, "desk", "Desk", settings={"site": "acme"}, allowedShardTypes=["contact"])
    await connect(side, made)
    text = (await side("GET", f"{HOME}/{made['id']}/export")).text
    assert "good" not in text
    assert "site: acme" in text
    looked = await other("POST", f"{HOME}/import", {"yaml": text, "dryRun": True})
    assert differing(looked) == ("created", {"provider", "name", "settings", "allowedShardTypes"})
    assert (await other("GET", HOME)).json()["total"] == 0
    done = await other("POST", f"{HOME}/import", {"yaml": text})
    copy = (await other("GET", f"{HOME}/{done.json()['integrationId']}")).json()
    assert (copy["settings"], copy["allowedShardTypes"]) == ({"site": "acme"}, ["contact"])
    assert differing(await other("POST", f"{HOME}/import", {"yaml": text})) == ("unchanged", set())
    changed = text.replace("acme", "zeta")
    assert differing(await side("POST", f"{HOME}/import", {"yaml": changed})) == ("changed", {"settings"})
    after = (await side("GET", f"{HOME}/{made['id']}")).json()
    assert (after["settings"], after["status"]) == ({"site": "zeta"}, "connected")


async def test_TN_13_what_another_tenant_exported_comes_in_as_things_of_this_one(here: World) -> None:
    side, other = here.side("ten_a"), here.side("ten_b")
    stranger, own = ids.new("usr"), ids.new("usr")
    for tenant, member in (("ten_a", stranger), ("ten_b", own)):
        async with here.scope(tenant).tx() as tx:
            await tx.execute_sql(
                "insert into users (tenant_id, id, email, roles, status, created_at) "
                "values ($1, $2, $3, '{user}', 'active', now())",
                *(tenant, member, f"of.{tenant}@example.com"),
            )
    made = await make(side, "desk", "Moves", settings={"site": "acme"}, allowedUsers=["amy"])
    await connect(side, made)
    text = (await side("GET", f"{HOME}/{made['id']}/export")).text
    assert not re.search(r"\b(?:int|con|ten|usr|reg)_[0-9A-Za-z]{20,}", text)
    copied = (await other("POST", f"{HOME}/import", {"yaml": text})).json()["integrationId"]
    assert copied != made["id"]
    seen = (await other("GET", f"{HOME}/{copied}")).json()
    assert (seen["id"], seen["status"]) == (copied, "pending")
    assert (await other("GET", f"{HOME}/{made['id']}")).status_code == 404
    assert (await side("GET", f"{HOME}/{copied}")).status_code == 404
    # the same name there and here are two integrations, and a later import of either changes its own
    changed = text.replace("acme", "zeta")
    assert (await other("POST", f"{HOME}/import", {"yaml": changed})).json()["integrationId"] == copied
    assert (await side("GET", f"{HOME}/{made['id']}")).json()["settings"] == {"site": "acme"}
    foreign = text.replace("- amy", f"- {stranger}")
    assert foreign != text
    assert wrong(await other("POST", f"{HOME}/import", {"yaml": foreign})) == {"yaml.allowedUsers"}
    mine = text.replace("- amy", f"- {own}")
    assert (await other("POST", f"{HOME}/import", {"yaml": mine})).status_code == 200


@pytest.mark.parametrize(
    "text",
    ["[1, 2]", "a: &a {b: *a}", "provider: keys\nname: X\napiKey: canary", "provider: !!python/name:os.system x"],
)
async def test_what_is_no_file_of_an_integration_is_refused(here: World, text: str) -> None:
    answer = await here.side("ten_a")("POST", f"{HOME}/import", {"yaml": text})
    assert wrong(answer) == {"yaml"}
    assert "canary" not in answer.text
    assert "Expected `object`" not in answer.text


async def test_of_two_that_come_at_once_with_one_name_one_is_made(here: World) -> None:
    body = {"integrationId": "keys", "name": "Twins"}
    answers = await asyncio.gather(*(here.side("ten_twins")("POST", HOME, body) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [201, 409, 409, 409]
    assert (await here.side("ten_twins")("GET", HOME)).json()["total"] == 1


@pytest.mark.parametrize(
    "more",
    [
        "tenantId: ten_b",
        "roles: [super_admin]",
        "id: int_mine",
        "status: connected",
        "enabledBy: user:isthmus:boss",
        "settings: {site: acme, tenantId: ten_b}",
        "credentials: {apiKey: canary}",
    ],
)
async def test_MA_02_a_file_that_names_what_the_server_keeps_is_refused(here: World, more: str) -> None:
    side = here.side("ten_a")
    answer = await side("POST", f"{HOME}/import", {"yaml": f"provider: desk\nname: Mine\n{more}\n"})
    assert refused(answer) == (400, "VALIDATION_ERROR")
    assert "canary" not in answer.text
    for tenant in ("ten_a", "ten_b"):
        assert (await here.side(tenant)("GET", HOME)).json()["total"] == 0


async def test_PA_02_a_file_that_says_a_name_twice_is_refused(here: World) -> None:
    text = "provider: desk\nname: Mine\nallowedShardTypes: [contact]\nallowedShardTypes: []\n"
    answer = await here.side("ten_a")("POST", f"{HOME}/import", {"yaml": text})
    assert wrong(answer) == {"yaml"}
    assert "twice" in answer.text


async def test_PA_11_a_name_is_kept_in_one_way_of_writing_and_turns_no_text_around(here: World) -> None:
    side = here.side("ten_a")
    made = await make(side, name="Ca\u0301 \u202eevil\u200b")
    assert made["name"] == "C\u00e1 \ufffdevil\ufffd"
    taken = await side("POST", HOME, {"integrationId": "keys", "name": "C\u00c1 \u202eEVIL\u200b"})
    assert refused(taken) == (409, "INTEGRATION_NAME_TAKEN")
