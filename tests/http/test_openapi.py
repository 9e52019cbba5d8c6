"""The description of the API: valid, complete, and drawn for people without any address outside the server."""

import re
from typing import Any

import yaml
from openapi_spec_validator import validate
from tests.http.conftest import MakeLab

from isthmus.http import PUBLIC, Answer, LiveDep, PageDep, Routes, ScopeDep, Wire, document, no_content, redirect
from isthmus.kit.errors import Conflict, NotFound
from isthmus.kit.permissions import TENANT_ADMIN, USER, permission

READ = permission("shops:read", "see shops", USER)
MANAGE = permission("shops:manage", "change shops", TENANT_ADMIN)


class ShopIn(Wire):
    display_name: str
    tags: tuple[str, ...] = ()


class Place(Answer, frozen=True, kw_only=True):
    country_code: str


class ShopOut(Answer, frozen=True, kw_only=True):
    shop_id: str
    etag: str = "a-tag"
    place: Place | None = None


class ShopList(Answer, frozen=True, kw_only=True):
    shops: list[ShopOut]
    has_more: bool


class ShopBusy(Conflict):
    """The shop is being synced; wait for the run to end."""

    code = "SHOP_BUSY"


class ShopChanged(Conflict):
    """The shop was changed by somebody else; read it again."""

    code = "SHOP_CHANGED"


def shops() -> Routes:
    routes = Routes(prefix="/api/shops", tag="Shops")

    @routes.get("", permission=READ, limit="connection", response_model=ShopList, summary="All shops")
    async def list_shops(scope: ScopeDep, paging: PageDep) -> Any: ...

    @routes.post("", permission=MANAGE, limit="connection", response_model=ShopOut, summary="Open one", status=201)
    async def open_shop(scope: ScopeDep, body: ShopIn) -> Any:
        return document(ShopOut(shop_id="s"))

    @routes.patch(
        "/{shop_id}",
        permission=MANAGE,
        limit="connection",
        response_model=ShopOut,
        summary="Change one",
        if_changed=ShopChanged,
    )
    async def change_shop(scope: ScopeDep, shop_id: str, body: ShopIn) -> Any:
        scope.check_seen("a-tag", ShopChanged)
        return document(ShopOut(shop_id=shop_id))

    @routes.delete(
        "/{shop_id}",
        permission=MANAGE,
        limit="connection",
        response_model=None,
        summary="Close one",
        status=204,
        errors=(NotFound, ShopBusy),
    )
    async def close_shop(scope: ScopeDep, shop_id: str) -> Any:
        return no_content()

    @routes.get("/stream", permission=READ, limit="other", response_model=None, summary="Live", stream=True)
    async def stream_shops(live: LiveDep) -> Any: ...

    @routes.get(
        "/callback",
        permission=PUBLIC,
        limit="callback",
        response_model=None,
        summary="Back",
        status=302,
        open_query=True,
    )
    async def shop_callback() -> Any:
        return redirect("/")

    return routes


async def described(lab: MakeLab) -> dict[str, Any]:
    answer = await lab(shops()).call("GET", "/api/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_the_document_is_valid_openapi_31(lab: MakeLab) -> None:
    document = await described(lab)
    assert document["openapi"].startswith("3.1")
    validate(document)


async def test_yaml_says_the_same_as_json(lab: MakeLab) -> None:
    here = lab(shops())
    answer = await here.call("GET", "/api/openapi.yaml")
    assert yaml.safe_load(answer.text) == (await here.call("GET", "/api/openapi.json")).json()


async def test_every_operation_names_permission_limit_errors_and_headers(lab: MakeLab) -> None:
    document = await described(lab)
    for item in document["paths"].values():
        for operation in item.values():
            assert "x-permission" in operation
            assert operation["x-rate-limit"]["perMinute"] > 0
            assert {"400", "429", "500"} <= set(operation["responses"])
            assert "422" not in operation["responses"]
            assert (operation["security"] == []) == ("401" not in operation["responses"])
            for response in operation["responses"].values():
                assert "X-RateLimit-Remaining" in response["headers"]
    closing = document["paths"]["/api/shops/{shop_id}"]["delete"]
    assert closing["x-permission"] == "shops:manage"
    assert "SHOP_BUSY" in closing["responses"]["409"]["description"]
    assert "content" not in closing["responses"]["204"]


async def test_answers_are_described_from_their_structs_in_camel_case(lab: MakeLab) -> None:
    document = await described(lab)
    listing = document["paths"]["/api/shops"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert listing == {"$ref": "#/components/schemas/ShopList"}
    assert set(document["components"]["schemas"]["ShopOut"]["properties"]) == {"shopId", "etag", "place"}
    assert set(document["components"]["schemas"]["ShopIn"]["properties"]) == {"displayName", "tags"}


async def test_streams_are_described_as_event_streams_with_their_resume_header(lab: MakeLab) -> None:
    operation = (await described(lab))["paths"]["/api/shops/stream"]["get"]
    assert set(operation["responses"]["200"]["content"]) == {"text/event-stream"}
    assert "application/json" in operation["responses"]["429"]["content"]
    assert [each["name"].lower() for each in operation["parameters"]] == ["last-event-id"]


async def test_creating_posts_offer_an_idempotency_key(lab: MakeLab) -> None:
    document = await described(lab)
    names = [each["name"] for each in document["paths"]["/api/shops"]["post"]["parameters"]]
    assert names == ["Idempotency-Key"]


async def test_MA_04_a_change_offers_if_match_and_tells_its_conflict_and_the_tag(lab: MakeLab) -> None:
    here = lab(shops())
    paths = (await here.call("GET", "/api/openapi.json")).json()["paths"]
    change = paths["/api/shops/{shop_id}"]["patch"]
    assert [each["name"] for each in change["parameters"]] == ["shop_id", "If-Match"]
    assert "SHOP_CHANGED" in change["responses"]["409"]["description"]
    assert "ETag" in change["responses"]["200"]["headers"]
    assert "ETag" not in change["responses"]["409"]["headers"]
    assert "If-Match" not in {each["name"] for each in paths["/api/shops"]["post"]["parameters"]}


async def test_the_page_shows_every_operation_and_names_no_outside_address(lab: MakeLab) -> None:
    here = lab(shops())
    page = await here.call("GET", "/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for path in (await described(lab))["paths"]:
        assert path in page.text
    texts = [page.text]
    for name in ("style.css", "script.js"):
        asset = await here.call("GET", f"/docs/{name}")
        assert asset.status_code == 200
        texts.append(asset.text)
    assert not re.search(r"(?:https?:)?//[a-z0-9]", "".join(texts).replace("// ", ""))
    assert "<script>" not in page.text


async def test_HE_13_health_names_the_part_and_never_the_reason(lab: MakeLab) -> None:
    async def well() -> None: ...

    async def broken() -> None:
        raise OSError("postgresql://user:secret@db.internal/isthmus refused")

    here = lab(checks={"database": broken, "queue": well})
    answer = await here.call("GET", "/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "parts": {"database": "unavailable", "queue": "ready"}}
    assert (await here.call("GET", "/health/live")).json() == {"status": "alive"}
