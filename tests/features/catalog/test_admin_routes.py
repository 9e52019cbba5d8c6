"""Providers over HTTP for the deployment's own people: 002's routes, their refusals, and the way back."""

import asyncio
import json
from typing import Any

import pytest
from tests.given import catalog as given
from tests.given import vault as house
from tests.given.edge import Edge

from isthmus.engine.db import Database
from isthmus.features import vault
from isthmus.features.catalog.feature import FEATURE
from isthmus.http import HttpSettings
from isthmus.http.routes import DeclaredRoute
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, TENANT_ADMIN, USER
from isthmus.scope import System

AT = "/api/admin/integrations"


@pytest.fixture(scope="module")
async def system(database: Database, tmp_path_factory: pytest.TempPathFactory) -> System:
    shelf = given.providers(
        tmp_path_factory.mktemp("providers"),
        given.manifest("shopee"),
        given.manifest("hubspot", category="crm", status="beta"),
    )
    made = house.process(database, parts=given.parts(shelf))
    await vault.check_canary(made)
    return made


@pytest.fixture(scope="module")
async def edge(system: System) -> Edge:
    return Edge(system, *FEATURE.routes, settings=HttpSettings(limits={"provider": 10_000}))


class Operator:
    """Somebody of the deployment."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        given_body = {} if body is None else {"json": body}
        return await self._edge.call(
            method, AT + path, tenant=PLATFORM_TENANT, role=SUPER_ADMIN, **given_body, **options
        )


@pytest.fixture
def operator(edge: Edge) -> Operator:
    return Operator(edge)


async def test_a_provider_in_002s_words_is_made_read_and_listed(operator: Operator) -> None:
    answer = await operator("POST", "", given.document("acme_crm"))
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{AT}/crm/acme_crm"
    made = answer.json()
    sent = given.document("acme_crm")
    same = ("provider", "displayName", "category", "status", "audience", "supportsSearch", "color")
    assert {name: made[name] for name in same} == {name: sent[name] for name in same}
    assert made["capabilities"] == ["contacts", "list", "read", "search"]
    assert (made["id"], made["connectable"], made["origin"], made["revision"]) == ("acme_crm", True, "declared", 1)
    assert made["entityMappings"][0]["fieldMappings"][0] == {"from": "id", "to": "id", "transform": "text"}
    assert made["createdAt"] == made["updatedAt"]
    assert (await operator("GET", "/crm/acme_crm")).json() == made
    told = made["document"]
    assert told["availableEntities"][0]["endpoint"]["paging"]["cursor"] == "next"
    again = await operator("PATCH", "/crm/acme_crm", told)
    assert (again.status_code, again.json()["revision"]) == (200, 1), (
        "what was read can be sent back and changes nothing"
    )
    found = (await operator("GET", "?search=akme&category=crm&authType=api_key")).json()
    assert [one["id"] for one in found["providers"]] == ["acme_crm"]


async def test_lists_are_filtered_sorted_and_paged(operator: Operator) -> None:
    async def ids(query: str) -> list[str]:
        return [one["id"] for one in (await operator("GET", f"?{query}")).json()["providers"]]

    assert await ids("status=beta") == ["hubspot"]
    assert await ids("audience=system") == []
    assert (await ids("sortBy=name&sortOrder=desc"))[0] == "shopee"
    assert len(await ids("limit=1")) == 1
    page = (await operator("GET", "?limit=1&offset=1")).json()
    assert page["total"] >= 2
    for wrong in ("status=gone", "limit=101", "sortBy=x", "nope=1"):
        answer = await operator("GET", f"?{wrong}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_every_field_that_does_not_go_with_another_is_told_at_once(operator: Operator) -> None:
    wrong = given.document("wrong_one") | {
        "searchableEntities": ["nobody"],
        "isPremium": True,
        "oauthConfig": {"scopes": ["read"]},
        "hosts": {"api": "http://api.example.com", "eu": "https://{region}.example.com"},
        "entityMappings": [
            {"entity": "ghosts", "shardType": "x"},
            {"entity": "people", "shardType": "account", "fieldMappings": [{"from": "a[", "to": "b"}]},
        ],
        "service": {"attach": [{"place": "header", "value": "Bearer {nothing}"}]},
    }
    answer = await operator("POST", "", wrong)
    assert answer.status_code == 400
    told = {one["path"] for one in answer.json()["error"]["details"]["fields"]}
    assert told == {
        "searchableEntities.0", "requiredPlan", "oauthConfig", "hosts.api", "hosts.eu", "entityMappings.0.entity",
        "entityMappings.1.shardType", "entityMappings.1.fieldMappings.0.from", "service.attach.0.name",
        "service.attach.0.value", "oauthConfig.authorizeUrl", "oauthConfig.tokenUrl",
    }  # fmt: skip


SERVICE: dict[str, Any] = given.document("any")["service"]
ATTACH: dict[str, Any] = SERVICE["attach"][0]
PEOPLE: dict[str, Any] = given.document("any")["availableEntities"][0]
ENDPOINT: dict[str, Any] = PEOPLE["endpoint"]
AN_ENTITY = "availableEntities.0.endpoint"
OAUTH = {"authorizeUrl": "https://a.example/a", "tokenUrl": "https://a.example/t"}
CONSENT = {"authType": "oauth2", "service": {"attach": [ATTACH | {"value": "Bearer {access_token}"}]}}


@pytest.mark.parametrize(
    "change",
    [
        {"service": SERVICE | {"headers": {"Notion-Version": "2022-06-28", "X-Token-Type": "bearer"}}},
        CONSENT | {"oauthConfig": OAUTH | {"extraParams": {"token_access_type": "offline", "access_type": "offline"}}},
        {"availableEntities": [PEOPLE | {"endpoint": ENDPOINT | {"query": {"sort_key": "id", "token_count": "1"}}}]},
    ],
)
async def test_texts_that_are_sent_along_and_are_no_credentials_are_taken(
    operator: Operator, change: dict[str, Any]
) -> None:
    answer = await operator("POST", "/import", {"yaml": json.dumps(given.document("spoken") | change), "dryRun": True})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"supportsSearch": True, "searchableEntities": []}, "searchableEntities"),
        ({"supportsSearch": False}, "supportsSearch"),
        ({"authType": "oauth2"}, "oauthConfig"),
        ({"isPremium": True}, "requiredPlan"),
        ({"requiredPlan": "pro"}, "requiredPlan"),
        ({"provider": "search"}, "provider"),
        ({"documentationUrl": "javascript:alert(1)"}, "documentationUrl"),
        ({"credentialFields": [{"name": "api_key", "pattern": "(a+)+b"}]}, "credentialFields.0.pattern"),
        ({"credentialFields": [{"name": "api_key", "pattern": "[a]*[a]*b"}]}, "credentialFields.0.pattern"),
        ({"credentialFields": [{"name": "api_key", "pattern": "a?" * 18 + "b"}]}, "credentialFields.0.pattern"),
        ({"credentialFields": [{"name": "api_key", "pattern": "a{0,99}a{0,99}b"}]}, "credentialFields.0.pattern"),
        ({"credentialFields": [{"name": "api_key", "pattern": "[z-a]"}]}, "credentialFields.0.pattern"),
        ({"credentialFields": [{"name": "api_key"}, {"name": "api_key"}]}, "credentialFields.1.name"),
        ({"settingsFields": [{"name": "pin", "secret": True}]}, "settingsFields.0.secret"),
        ({"availableEntities": [], "searchableEntities": [], "supportsSearch": False}, "supportedSyncDirections"),
        ({"service": SERVICE | {"headers": {"Authorization": "Bearer canary"}}}, "service.headers"),
        ({"service": SERVICE | {"headers": {"X-Api-Key": "canary"}}}, "service.headers"),
        ({"service": SERVICE | {"verify": {"path": "/me?a=1&access_token=canary"}}}, "service.verify.path"),
        ({"service": {"attach": [ATTACH | {"value": "Bearer canary"}]}}, "service.attach.0.value"),
        ({"service": SERVICE | {"verify": {"path": ".evil.example/me"}}}, "service.verify.path"),
        ({"service": SERVICE | {"verify": {"path": "/me", "host": "nowhere"}}}, "service.verify.host"),
        (
            {"availableEntities": [PEOPLE | {"endpoint": ENDPOINT | {"query": {"api_key": "canary"}}}]},
            f"{AN_ENTITY}.query",
        ),
        ({"availableEntities": [PEOPLE | {"endpoint": ENDPOINT | {"path": "/p?password="}}]}, f"{AN_ENTITY}.path"),
        (CONSENT | {"oauthConfig": OAUTH | {"extraParams": {"client_secret": "canary"}}}, "oauthConfig.extraParams"),
    ],
)
async def test_IN_05_PL_06_each_rule_between_fields_is_kept(
    operator: Operator, change: dict[str, Any], path: str
) -> None:
    answer = await operator("POST", "", given.document("ruled") | change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert path in {one["path"] for one in answer.json()["error"]["details"]["fields"]}
    assert "canary" not in answer.text


async def test_several_wrong_types_are_told_at_once(operator: Operator) -> None:
    wrong = given.document("typed") | {"category": "toys", "color": "red", "isPremium": "perhaps", "unknown": 1}
    answer = await operator("POST", "", wrong)
    told = {one["path"].rpartition(".")[2] for one in answer.json()["error"]["details"]["fields"]}
    assert told == {"category", "color", "isPremium", "unknown"}


async def test_a_form_may_say_how_a_key_looks(operator: Operator) -> None:
    fields = [{"name": "api_key", "label": "Key", "secret": True, "pattern": r"sk_[a-z]{4}-[A-Za-z0-9]+"}]
    made = await operator("POST", "", given.document("patterned") | {"credentialFields": fields})
    assert made.status_code == 201, made.text
    assert made.json()["credentialFields"][0]["pattern"] == r"sk_[a-z]{4}-[A-Za-z0-9]+"


async def test_an_id_that_is_taken_is_a_conflict(operator: Operator) -> None:
    await operator("POST", "", given.document("twice"))
    for taken in ("twice", "shopee"):
        answer = await operator("POST", "", given.document(taken))
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "PROVIDER_EXISTS")


@pytest.mark.parametrize("path", ["/crm/nothing", "/storage/shopee", "/marketplace/hubspot"])
async def test_an_address_that_is_nobodys_is_not_found(operator: Operator, path: str) -> None:
    for method, body in (("GET", None), ("PATCH", {"description": "x"})):
        answer = await operator(method, path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "PROVIDER_NOT_FOUND")
    answer = await operator("PATCH", f"{path}/status", {"status": "active"})
    assert answer.status_code == 404


@pytest.mark.parametrize("role", [TENANT_ADMIN, USER, ""])
async def test_MA_01_nobody_but_the_deployments_own_people_looks_after_providers(edge: Edge, role: str) -> None:
    for method, path in (("GET", AT), ("POST", AT), ("GET", f"{AT}/marketplace/shopee/app")):
        answer = await edge.call(method, path, role=role, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "PERMISSION_DENIED")
    answer = await edge.call("GET", AT, headers={"authorization": ""})
    assert answer.status_code == 401


async def test_what_is_overridden_shows_and_can_be_reset(operator: Operator, edge: Edge) -> None:
    changed = (await operator("PATCH", "/crm/hubspot", {"displayName": "Hub", "featured": True})).json()
    assert (changed["displayName"], changed["overriddenFields"]) == ("Hub", ["displayName", "featured"])
    step = (await operator("GET", f"/crm/hubspot/versions/{changed['revision']}/diff")).json()["items"]
    assert [one["path"] for one in step] == ["displayName", "featured"], "by the names that a PATCH takes"
    status = await operator("PATCH", "/crm/hubspot/status", {"status": "active"})
    assert {name: status.json()[name] for name in ("id", "status")} == {"id": "hubspot", "status": "active"}
    assert (await edge.get("/api/integrations/hubspot")).json()["displayName"] == "Hub"
    audience = await operator("PATCH", "/crm/hubspot/audience", {"audience": "system"})
    assert audience.json()["audience"] == "system"
    assert (await edge.get("/api/integrations/hubspot")).status_code == 404
    reset = (await operator("POST", "/crm/hubspot/reset")).json()
    assert (reset["displayName"], reset["status"], reset["overriddenFields"]) == ("Hubspot", "beta", [])


async def test_what_a_providers_code_lives_by_cannot_be_overridden(operator: Operator) -> None:
    wrong = {"authType": "basic", "availableEntities": [], "hosts": {"api": "https://evil.example"}}
    answer = await operator("PATCH", "/marketplace/shopee", wrong)
    assert answer.status_code == 400
    assert {one["path"] for one in answer.json()["error"]["details"]["fields"]} == {
        "availableEntities",
        "hosts",
        "authType",
    }


async def test_an_override_is_held_to_the_same_rules(operator: Operator) -> None:
    told = {"documentationUrl": "javascript:alert(1)", "isPremium": True, "color": "red"}
    named = {"documentationUrl": "documentationUrl", "isPremium": "requiredPlan", "color": "color"}
    for name, value in told.items():
        answer = await operator("PATCH", "/marketplace/shopee", {name: value})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
        assert [one["path"] for one in answer.json()["error"]["details"]["fields"]] == [named[name]]


async def test_read_only_fields_that_say_what_is_stored_are_ignored(operator: Operator) -> None:
    read = (await operator("GET", "/marketplace/shopee")).json()
    sent = {name: read[name] for name in ("id", "provider", "createdAt", "origin", "connectable")}
    answer = await operator("PATCH", "/marketplace/shopee", sent | {"description": "Seller centre."})
    assert (answer.status_code, answer.json()["description"]) == (200, "Seller centre.")
    assert (await operator("PATCH", "/marketplace/shopee", {"id": "other"})).status_code == 400


async def test_a_change_of_what_was_read_too_early_is_a_conflict(operator: Operator) -> None:
    await operator("POST", "", given.document("raced"))
    first = await operator("PATCH", "/crm/raced", {"description": "One.", "revision": 1})
    assert first.json()["revision"] == 2
    late = await operator("PATCH", "/crm/raced", {"description": "Two.", "revision": 1})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "PROVIDER_CHANGED")
    assert late.json()["error"]["details"]["revision"] == 2


async def test_MA_04_of_changes_at_once_each_is_a_step_or_a_conflict_and_none_is_lost(operator: Operator) -> None:
    await operator("POST", "", given.document("crowded"))
    wishes: list[dict[str, Any]] = [{"description": "One."}, {"uptime": "99"}, {"color": "#010203"}, {"icon": "crowd"}]
    answers = await asyncio.gather(*(operator("PATCH", "/crm/crowded", wish) for wish in wishes))
    told = [(one.status_code, one.json().get("error", {}).get("code")) for one in answers]
    assert set(told) <= {(200, None), (409, "PROVIDER_CHANGED")}
    taken = [wish for wish, answer in zip(wishes, answers, strict=True) if answer.status_code == 200]
    assert taken, "somebody is the first"
    found = (await operator("GET", "/crm/crowded")).json()
    assert found["revision"] == 1 + len(taken)
    assert all(found[name] == value for wish in taken for name, value in wish.items())
    assert len((await operator("GET", "/crm/crowded/versions")).json()["items"]) == 1 + len(taken)


async def test_versions_are_listed_compared_and_gone_back_to(operator: Operator) -> None:
    await operator("POST", "", given.document("storied"))
    await operator("PATCH", "/crm/storied", {"color": "#112233"})
    await operator("PATCH", "/crm/storied", {"description": "Changed.", "status": "beta"})
    rows = (await operator("GET", "/crm/storied/versions")).json()["items"]
    assert [(one["version"], one["action"]) for one in rows] == [(3, "changed"), (2, "changed"), (1, "created")]
    assert rows[0]["actor"].startswith("user:")
    paged = (await operator("GET", "/crm/storied/versions?limit=2")).json()
    rest = (await operator("GET", f"/crm/storied/versions?limit=2&cursor={paged['nextCursor']}")).json()
    assert [one["version"] for one in paged["items"] + rest["items"]] == [3, 2, 1]
    step = (await operator("GET", "/crm/storied/versions/2/diff")).json()["items"]
    assert step == [{"path": "color", "before": "#123456", "after": "#112233"}]
    whole = (await operator("GET", "/crm/storied/versions/3/diff?against=1")).json()["items"]
    assert [one["path"] for one in whole] == ["color", "description", "status"]
    back = (await operator("POST", "/crm/storied/versions/1/rollback")).json()
    assert (back["color"], back["status"], back["revision"]) == ("#123456", "active", 4)
    for path, method in (("/versions/9/diff", "GET"), ("/versions/9/rollback", "POST")):
        answer = await operator(method, f"/crm/storied{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "PROVIDER_VERSION_NOT_FOUND")


async def test_MA_04_nobody_steps_back_from_what_another_has_changed_meanwhile(operator: Operator) -> None:
    await operator("POST", "", given.document("stepped"))
    await operator("PATCH", "/crm/stepped", {"color": "#112233"})
    await operator("PATCH", "/marketplace/shopee", {"uptime": "98"})
    for place, step in (("/crm/stepped", "/versions/1/rollback"), ("/marketplace/shopee", "/reset")):
        read = (await operator("GET", place)).headers["etag"]
        assert (await operator("PATCH", place, {"uptime": "97"}, headers={"If-Match": read})).status_code == 200
        late = await operator("POST", f"{place}{step}", None, headers={"If-Match": read})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "PROVIDER_CHANGED")
        found = await operator("GET", place)
        assert found.json()["uptime"] == "97"
        now = found.headers["etag"]
        assert late.json()["error"]["details"]["etag"] == now.strip('"')
        assert (await operator("POST", f"{place}{step}", None, headers={"If-Match": now})).status_code == 200


async def test_a_folders_provider_goes_back_too(operator: Operator) -> None:
    await operator("PATCH", "/marketplace/shopee", {"uptime": "99.9", "description": "Ours."})
    number = (await operator("GET", "/marketplace/shopee")).json()["revision"]
    step = (await operator("GET", f"/marketplace/shopee/versions/{number}/diff?against=0")).json()["items"]
    assert step == [
        {"path": "description", "before": "Listings and orders of shopee.", "after": "Ours."},
        {"path": "uptime", "before": None, "after": "99.9"},
    ], "against what the folder says"
    await operator("PATCH", "/marketplace/shopee", {"uptime": "98", "color": "#000000"})
    back = (await operator("POST", f"/marketplace/shopee/versions/{number}/rollback")).json()
    assert (back["uptime"], back["color"]) == ("99.9", "")


async def test_VA_01_an_app_by_api_shows_no_credential_and_a_changed_host_clears_them(operator: Operator) -> None:
    at = "/marketplace/shopee/app"
    before = (await operator("GET", at)).json()
    assert (before["status"], before["missing"]) == ("missing", ["partner_id", "partner_key"])
    credentials = {"partner_id": "4711", "partner_key": "canary-of-admin"}
    answer = await operator("PUT", at, {"credentials": credentials})
    assert (answer.json()["status"], answer.json()["given"]) == ("ready", ["partner_id", "partner_key"])
    assert "canary" not in answer.text
    moved = (await operator("PUT", at, {"hosts": {"api": "https://other.example"}})).json()
    assert (moved["status"], moved["given"], moved["hosts"]["api"]) == ("pending", [], "https://other.example")
    assert (await operator("GET", at)).json()["missing"] == ["partner_id", "partner_key"]
    for wrong in (
        {"credentials": {"nope": "x"}},
        {"hosts": {"api": "http://10.0.0.1"}},
        {"hosts": {"x": "https://a.b"}},
    ):
        assert (await operator("PUT", at, wrong)).status_code == 400


async def test_PL_07_a_provider_of_run_time_takes_a_fresh_proof_tells_its_differences_and_loses_moved_secrets(
    system: System, operator: Operator
) -> None:
    writing = [
        route.declaration
        for routes in FEATURE.routes
        for route in routes.router.routes
        if isinstance(route, DeclaredRoute) and route.methods != {"GET"} and route.path.startswith(AT)
    ]
    assert len(writing) >= 8
    assert all(one is not None and one.step_up for one in writing)
    fields = [{"name": "client_secret", "label": "Client secret", "secret": True}]
    await operator("POST", "", given.document("moving") | {"appFields": fields})
    app = await operator("PUT", "/crm/moving/app", {"credentials": {"client_secret": "canary-of-moving"}})
    assert app.json()["status"] == "ready"
    await operator("PATCH", "/crm/moving", {"hosts": {"api": "https://elsewhere.example"}})
    assert (await operator("GET", "/crm/moving/app")).json()["missing"] == ["client_secret"]
    diff = (await operator("GET", "/crm/moving/versions/2/diff")).json()["items"]
    assert diff == [{"path": "hosts.api", "before": "https://api.acme.example", "after": "https://elsewhere.example"}]
    async with house.platform(system).tx() as tx:
        told = await tx.fetch_sql(
            "select before, after from events where subject = 'moving' and type = 'provider.changed'"
        )
    assert [(one["before"]["hosts"], one["after"]["hosts"]) for one in told] == [
        ({"api": "https://api.acme.example"}, {"api": "https://elsewhere.example"})
    ]


async def test_a_provider_goes_out_as_yaml_and_comes_in_the_same(operator: Operator) -> None:
    await operator("POST", "", given.document("travels"))
    text = (await operator("GET", "/crm/travels/export")).text
    assert text.startswith("provider: travels")
    same = (await operator("POST", "/import", {"yaml": text, "dryRun": True})).json()
    assert same == {"provider": "travels", "outcome": "unchanged", "dryRun": True, "differences": []}
    other = text.replace("#123456", "#654321").replace("provider: travels", "provider: arrived", 1)
    trial = (await operator("POST", "/import", {"yaml": other, "dryRun": True})).json()
    assert trial["outcome"] == "created"
    assert (await operator("GET", "/crm/arrived")).status_code == 404
    assert (await operator("POST", "/import", {"yaml": other})).json()["outcome"] == "created"
    assert (await operator("GET", "/crm/arrived")).json()["color"] == "#654321"
    changed = text.replace("#123456", "#abcdef")
    said = (await operator("POST", "/import", {"yaml": changed})).json()
    assert said["differences"] == [{"path": "color", "before": "#123456", "after": "#abcdef"}]
    assert (await operator("GET", "/crm/travels")).json()["color"] == "#abcdef"


@pytest.mark.parametrize(
    "text", ["- 1", "a: [", "a: &x 1\nb: *x", "!!python/object:os.system {}", "provider: ok", "{" * 5000]
)
async def test_a_file_that_is_no_provider_is_refused(operator: Operator, text: str) -> None:
    answer = await operator("POST", "/import", {"yaml": text})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "more", ["tenantId: ten_b", "roles: [super_admin]", "id: other", "version: 9", "createdBy: boss"]
)
async def test_MA_02_a_file_that_names_what_the_server_keeps_is_refused(operator: Operator, more: str) -> None:
    await operator("POST", "", given.document("walled"))
    for at in ("/crm/walled", "/marketplace/shopee"):
        text = (await operator("GET", f"{at}/export")).text
        answer = await operator("POST", "/import", {"yaml": f"{text}{more}\n"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR"), answer.text


async def test_PA_02_a_provider_that_says_a_name_twice_is_refused(operator: Operator) -> None:
    await operator("POST", "", given.document("doubled"))
    text = (await operator("GET", "/crm/doubled/export")).text
    answer = await operator("POST", "/import", {"yaml": f"{text}audience: system\n"})
    assert (answer.status_code, "twice" in answer.text) == (400, True)


async def test_a_folders_provider_exports_and_imports_its_overrides(operator: Operator) -> None:
    text = (await operator("GET", "/marketplace/shopee/export")).text
    assert "featured: false" in text
    said = (await operator("POST", "/import", {"yaml": text.replace("featured: false", "featured: true")})).json()
    assert "error" not in said, said["error"]["details"]
    assert [one["path"] for one in said["differences"]] == ["featured"]
    assert (await operator("GET", "/marketplace/shopee")).json()["featured"] is True


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_dry_run_refuses_what_the_import_would(operator: Operator, dry_run: bool) -> None:
    text = (await operator("GET", "/crm/hubspot/export")).text.replace("authType: oauth2", "authType: basic")
    answer = await operator("POST", "/import", {"yaml": text, "dryRun": dry_run})
    assert answer.status_code == 400
    assert [one["path"] for one in answer.json()["error"]["details"]["fields"]] == ["authType"]


async def test_AU_01_every_step_is_told_with_before_and_after(system: System, operator: Operator) -> None:
    await operator("POST", "", given.document("audited"))
    await operator("PATCH", "/crm/audited", {"color": "#112233"})
    async with house.platform(system).tx() as tx:
        rows = await tx.fetch_sql(
            "select type, audited, before, after, actor from events where subject = 'audited' order by id"
        )
    assert [(row["type"], row["audited"]) for row in rows] == [("provider.created", True), ("provider.changed", True)]
    assert (rows[1]["before"]["color"], rows[1]["after"]["color"]) == ("#123456", "#112233")
    assert rows[0]["actor"].endswith("usr_1")


async def test_RL_01_more_calls_than_the_class_allows_are_refused_with_a_time_to_come_back(system: System) -> None:
    narrow = Operator(Edge(system, *FEATURE.routes, settings=HttpSettings(limits={"provider": 2})))
    answers = [await narrow("GET", "?limit=1") for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    error = answers[2].json()["error"]
    assert (error["code"], error["retryAfter"] > 0) == ("RATE_LIMIT_EXCEEDED", True)
    assert answers[0].headers["x-ratelimit-limit"] == "2"


async def test_an_operator_sees_which_apps_are_not_set_and_may_send_back_what_was_read(operator: Operator) -> None:
    async def shown(ready: bool) -> dict[str, Any]:
        rows = (await operator("GET", f"?appReady={str(ready).lower()}")).json()["providers"]
        return {one["id"]: one["appReady"] for one in rows if one["origin"] == "shipped"}

    assert await shown(ready=False) == {"shopee": False, "hubspot": False}
    made = await operator("PUT", "/marketplace/shopee/app", {"credentials": {"partner_id": "1", "partner_key": "k"}})
    assert made.status_code == 200, made.text
    assert (await shown(ready=False), await shown(ready=True)) == ({"hubspot": False}, {"shopee": True})
    seen = (await operator("GET", "/marketplace/shopee")).json()
    assert seen["appReady"] is True
    assert (await operator("PATCH", "/marketplace/shopee", seen | {"appReady": False})).status_code == 200
