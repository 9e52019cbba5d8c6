"""The catalog over HTTP, in 002's words."""

import pytest
from tests.given import catalog as given
from tests.given import vault as house
from tests.given.edge import Edge

from isthmus.engine.db import Database
from isthmus.features import catalog, vault
from isthmus.features.catalog.feature import FEATURE
from isthmus.kit.permissions import USER
from isthmus.kit.secret import Secret
from isthmus.scope import System


@pytest.fixture(scope="module")
async def system(database: Database, tmp_path_factory: pytest.TempPathFactory) -> System:
    forms = {
        "credential_fields": [{"name": "api_key", "label": "API key", "secret": True, "help": "From the console."}],
        "settings_fields": [{"name": "shop", "label": "Shop", "required": False, "pattern": "[a-z]+"}],
    }
    limits = [{"requests": 10, "seconds": 1, "source": "docs"}]
    shelf = given.providers(
        tmp_path_factory.mktemp("providers"),
        given.manifest("shopee", limits=limits),
        given.manifest("hubspot", category="crm", auth="api_key", oauth=None, app_fields=[], **forms),
        given.manifest("hidden", audience="system"),
    )
    made = house.process(database, parts=given.parts(shelf))
    await vault.check_canary(made)
    return made


@pytest.fixture(scope="module")
async def edge(system: System) -> Edge:
    return Edge(system, *FEATURE.routes)


async def test_the_list_has_002s_shape(edge: Edge) -> None:
    answer = await edge.get("/api/integrations", role=USER)
    body = answer.json()
    assert answer.status_code == 200
    assert {name: body[name] for name in ("total", "limit", "offset", "hasMore")} == {
        "total": 2, "limit": 50, "offset": 0, "hasMore": False,
    }  # fmt: skip
    assert [one["id"] for one in body["providers"]] == ["hubspot", "shopee"]
    shown = body["providers"][1]
    expected = {
        "provider": "shopee",
        "displayName": "Shopee",
        "category": "marketplace",
        "status": "active",
        "audience": "tenant",
        "authType": "oauth2",
        "oauthConfig": {"scopes": ["read"], "pkce": False, "refreshable": True},
        "capabilities": ["list", "read"],
        "supportedSyncDirections": ["pull"],
        "limits": [{"requests": 10, "seconds": 1.0, "per": "connection", "source": "docs"}],
        "connectable": True,
        "isPremium": False,
        "requiredPlan": None,
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown["availableEntities"][0]["shardType"] == "product"
    assert shown["updatedAt"].endswith("Z")


async def test_where_no_app_is_set_the_catalog_says_so_before_anybody_connects(edge: Edge, system: System) -> None:
    async def ready(**query: str) -> dict[str, object]:
        rows = (await edge.get("/api/integrations", query=query)).json()["providers"]
        return {one["id"]: one.get("appReady", "absent") for one in rows}

    assert await ready() == {"hubspot": "absent", "shopee": False}
    assert (await ready(appReady="true"), await ready(appReady="false")) == ({}, {"shopee": False})
    keys = {"partner_id": Secret("1"), "partner_key": Secret("canary-app-key")}
    await catalog.set_app(house.scope(system, "ten_a"), "shopee", credentials=keys)
    assert await ready(appReady="true") == {"shopee": True}
    assert (await edge.get("/api/integrations/shopee")).json()["appReady"] is True
    # an app of one tenant's own says nothing to another
    elsewhere = (await edge.get("/api/integrations/shopee", tenant="ten_b")).json()
    assert elsewhere["appReady"] is False
    await catalog.set_app(house.platform(system), "shopee", credentials=keys)
    assert (await edge.get("/api/integrations/shopee", tenant="ten_b")).json()["appReady"] is True


async def test_pages_go_by_offset(edge: Edge) -> None:
    first = (await edge.get("/api/integrations", query={"limit": 1})).json()
    assert (first["hasMore"], first["nextOffset"]) == (True, 1)
    second = (await edge.get("/api/integrations", query={"limit": 1, "offset": 1})).json()
    assert (second["hasMore"], [one["id"] for one in second["providers"]]) == (False, ["shopee"])


async def test_search_forgives_and_filters_narrow(edge: Edge) -> None:
    for query, found in (({"search": "sopee"}, ["shopee"]), ({"category": "crm"}, ["hubspot"]), ({"search": "x"}, [])):
        body = (await edge.get("/api/integrations", query=query)).json()
        assert [one["id"] for one in body["providers"]] == found
    body = (await edge.get("/api/integrations", query={"sortBy": "name", "sortOrder": "desc"})).json()
    assert [one["id"] for one in body["providers"]] == ["shopee", "hubspot"]


@pytest.mark.parametrize("query", [{"category": "toys"}, {"limit": 0}, {"limit": 101}, {"sortBy": "x"}, {"foo": "1"}])
async def test_a_wrong_parameter_is_a_validation_error(edge: Edge, query: dict[str, str]) -> None:
    answer = await edge.get("/api/integrations", query=query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["/api/integrations/crm/hubspot", "/api/integrations/hubspot"])
async def test_the_detail_draws_the_form(edge: Edge, path: str) -> None:
    body = (await edge.get(path)).json()
    assert body["credentialFields"] == [
        {
            "name": "api_key",
            "label": "API key",
            "secret": True,
            "required": True,
            "help": "From the console.",
            "pattern": "",
        }
    ]
    assert [(one["name"], one["required"], one["pattern"]) for one in body["settingsFields"]] == [
        ("shop", False, "[a-z]+")
    ]
    assert body["appFields"] == []


@pytest.mark.parametrize("path", ["marketplace/hubspot", "marketplace/hidden", "hidden", "nothing", "crm/nothing"])
async def test_TN_01_what_is_hidden_answers_like_what_does_not_exist(edge: Edge, path: str) -> None:
    answer = await edge.get(f"/api/integrations/{path}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "PROVIDER_NOT_FOUND")
    assert error["message"] == "There is no such provider in the catalog."
