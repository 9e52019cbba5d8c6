"""The edge as a caller meets it: who gets in, what every answer bears, and the one shape of failures."""

from typing import Annotated, Any

import pytest
from fastapi import Query
from opentelemetry import baggage, trace
from tests.http.conftest import MakeLab

from isthmus.http import PUBLIC, FactsDep, PageDep, Routes, ScopeDep, Wire, created, document, no_content
from isthmus.http.errors import CannotStart
from isthmus.kit.errors import NotFound, Unavailable
from isthmus.kit.paging import Page
from isthmus.kit.permissions import TENANT_ADMIN, USER, permission

READ = permission("things:read", "see things", USER, TENANT_ADMIN)
WRITE = permission("things:manage", "change things", TENANT_ADMIN)


class ThingIn(Wire):
    display_name: str
    stock_count: int = 0


def things() -> Routes:
    routes = Routes(prefix="/api/things", tag="Things")

    @routes.get("", permission=READ, limit="connection", response_model=None, summary="List")
    async def listed(
        paging: PageDep,
        status: Annotated[str | None, Query()] = None,
        tag: Annotated[tuple[str, ...], Query()] = (),
    ) -> Any:
        start = int(paging.ask.after or paging.ask.offset)
        rows = [{"id": n, "status": status, "tag": tag} for n in range(start, min(start + paging.ask.limit, 120))]
        end = start + len(rows)
        page = Page[Any](rows, next_after=str(end) if end < 120 else None)
        return paging.listing("things", page)

    @routes.get(
        "/{thing_id}", permission=READ, limit="connection", response_model=None, summary="One", errors=(NotFound,)
    )
    async def one(scope: ScopeDep, thing_id: str) -> Any:
        if thing_id == "boom":
            raise RuntimeError("select secret from vault")
        if thing_id == "away":
            raise Unavailable("The shop is away.") from RuntimeError("connection reset")
        if thing_id != "thing":
            raise NotFound
        return document({"id": thing_id, "tenant": scope.principal.tenant_id, "who": scope.principal.id})

    @routes.post("", permission=WRITE, limit="connection", response_model=None, summary="Make", status=201)
    async def make(body: ThingIn) -> Any:
        return created({"displayName": body.display_name}, location="/api/things/thing")

    @routes.delete("/{thing_id}", permission=WRITE, limit="connection", response_model=None, summary="Drop", status=204)
    async def drop(thing_id: str) -> Any:
        return no_content()

    @routes.get("/search", permission=READ, limit="search", response_model=None, summary="Search")
    async def search() -> Any:
        return document({"found": True})

    @routes.get(
        "/open/facts", permission=PUBLIC, limit="callback", response_model=None, summary="Open", open_query=True
    )
    async def facts(facts: FactsDep) -> Any:
        return document({"requestId": facts.request_id, "address": facts.address})

    return routes


async def test_an_answer_bears_request_id_limits_and_guards(lab: MakeLab) -> None:
    here = lab(things())
    answer = await here.call("GET", "/api/things/thing", headers=here.signed() | {"x-request-id": "abc-1"})
    assert answer.status_code == 200
    assert answer.json() == {"id": "thing", "tenant": "ten_a", "who": "user:isthmus:usr_1"}
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-ratelimit-limit"] == "50"
    assert answer.headers["x-ratelimit-remaining"] == "49"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["vary"] == "Authorization, Cookie, Origin"


async def test_every_failure_has_the_one_shape(lab: MakeLab) -> None:
    here = lab(things())
    admin = here.signed("tenant_admin")
    for method, path, headers, status, code in [
        ("GET", "/api/nothing", admin, 404, "NOT_FOUND"),
        ("GET", "/api/things/other", admin, 404, "NOT_FOUND"),
        ("PATCH", "/api/things/thing", admin, 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/things/thing", {}, 401, "UNAUTHORIZED"),
        ("POST", "/api/things", here.signed("user"), 403, "PERMISSION_DENIED"),
        ("GET", "/api/things?limit=0", admin, 400, "VALIDATION_ERROR"),
        ("GET", "/api/things/boom", admin, 500, "INTERNAL_ERROR"),
    ]:
        answer = await here.call(method, path, headers=headers)
        body = answer.json()
        assert (answer.status_code, body["error"]["code"]) == (status, code), path
        assert body["success"] is False
        assert body["requestId"] == body["error"]["requestId"] == answer.headers["x-request-id"]
        assert body["timestamp"].endswith("Z")
        assert "select" not in answer.text


async def test_HE_14_an_undeclared_route_stops_the_start(lab: MakeLab) -> None:
    routes = things()

    @routes.router.get("/planted")
    async def planted() -> dict[str, str]:
        return {}

    with pytest.raises(CannotStart, match="/api/things/planted"):
        lab(routes)


async def test_a_literal_path_wins_over_a_parameter(lab: MakeLab) -> None:
    here = lab(things())
    answer = await here.call("GET", "/api/things/search", headers=here.signed())
    assert answer.json() == {"found": True}


async def test_HE_09_every_answer_forbids_storing_and_sniffing(lab: MakeLab) -> None:
    here = lab(things())
    for method, path, headers in [
        ("GET", "/api/things/thing", here.signed()),
        ("DELETE", "/api/things/thing", here.signed("tenant_admin")),
        ("GET", "/api/things/other", here.signed()),
        ("GET", "/api/things/thing", {}),
        ("GET", "/api/nothing", {}),
        ("OPTIONS", "/api/things", {}),
    ]:
        answer = await here.call(method, path, headers=headers)
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "Authorization" in answer.headers["vary"]


async def test_HE_10_a_failure_nobody_named_says_nothing_and_is_logged_in_full(
    lab: MakeLab, caplog: pytest.LogCaptureFixture
) -> None:
    here = lab(things())
    answer = await here.call("GET", "/api/things/boom", headers=here.signed())
    assert "RuntimeError" not in answer.text
    assert "vault" not in answer.text
    assert "RuntimeError: select secret from vault" in caplog.text


async def test_a_failure_with_a_name_is_one_line_of_the_log(lab: MakeLab, caplog: pytest.LogCaptureFixture) -> None:
    here = lab(things())
    assert (await here.call("GET", "/api/things/away", headers=here.signed())).status_code == 503
    (told,) = [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    assert (told.levelname, told.exc_info) == ("WARNING", None)
    assert told.getMessage() == "GET /api/things/{thing_id} failed: SERVICE_UNAVAILABLE The shop is away."


@pytest.mark.parametrize(
    "path",
    ["/api/things/a%2fb", "/api/things/%2e%2e", "/api/things/a;b", "/api/things/a%00", "/api//things", "/api/things/"],
)
async def test_HE_07_ambiguous_paths_are_not_found(lab: MakeLab, path: str) -> None:
    here = lab(things())
    answer = await here.call("GET", path, headers=here.signed())
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_HE_12_unknown_methods_are_refused_and_known_ones_named(lab: MakeLab) -> None:
    here = lab(things())
    for method in ("PATCH", "TRACE", "PROPFIND", "X"):
        answer = await here.call(method, "/api/things/thing", headers=here.signed())
        assert answer.status_code == 405
        assert answer.headers["allow"] == "DELETE, GET, HEAD"


async def test_head_answers_as_get_does(lab: MakeLab) -> None:
    here = lab(things())
    answer = await here.call("HEAD", "/api/things/thing", headers=here.signed())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("given", ["a b", "x" * 129, "<script>", ""])
async def test_a_request_id_that_is_none_is_replaced(lab: MakeLab, given: str) -> None:
    here = lab(things())
    answer = await here.call("GET", "/api/things/open/facts", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == answer.json()["requestId"] != given
    assert answer.headers["x-request-id"].startswith("req_")


async def test_LO_09_a_callers_trace_and_baggage_neither_reach_the_work_nor_come_back(
    lab: MakeLab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    seen: list[tuple[bool, int]] = []
    routes = Routes(prefix="/api/traced", tag="Traced")

    @routes.get("", permission=READ, limit="other", response_model=None, summary="Look")
    async def look() -> Any:
        seen.append((trace.get_current_span().get_span_context().is_valid, len(baggage.get_all())))
        return document({"ok": True})

    made = lab(routes)
    foreign = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {
        "traceparent": f"00-{foreign}-00f067aa0ba902b7-01",
        "tracestate": "canary=1",
        "baggage": "tenant=canary,pad=" + "c" * 8_000,
        "b3": f"{foreign}-00f067aa0ba902b7-1",
    }
    answers = [await made.call("GET", "/api/traced", headers={**made.signed(), **headers}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert seen == [(False, 0)] * 2
    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    shown = " ".join(str(answer.headers) + answer.text for answer in answers)
    logged = " ".join(str(vars(record)) for record in caplog.records if record.name.startswith("isthmus"))
    assert "/api/traced" in logged
    for text in (shown, logged):
        assert foreign not in text
        assert "canary" not in text


async def test_a_public_route_may_not_ask_for_a_scope(lab: MakeLab) -> None:
    routes = Routes(prefix="/api", tag="Odd")

    @routes.get("/odd", permission=PUBLIC, limit="open", response_model=None, summary="Odd")
    async def odd(scope: ScopeDep) -> Any:
        return no_content()

    with pytest.raises(CannotStart, match="PUBLIC and asks for a scope"):
        lab(routes)


@pytest.mark.parametrize(("permission", "limit"), [(PUBLIC, "connection"), (READ, "open"), (READ, "nonsense")])
def test_a_limit_class_must_fit_its_route(permission: Any, limit: Any) -> None:
    routes = Routes(prefix="/api", tag="Odd")
    with pytest.raises(CannotStart, match="/odd"):
        routes.get("/odd", permission=permission, limit=limit, response_model=None, summary="Odd")


async def test_the_merchant_families_answer_in_their_envelope(lab: MakeLab) -> None:
    routes = Routes(prefix="/api/merchants", tag="Merchants", envelope=True)

    @routes.get("/{merchant_id}", permission=READ, limit="other", response_model=None, summary="One")
    async def one(merchant_id: str) -> Any:
        if merchant_id == "none":
            return no_content()
        return document({"id": merchant_id}, headers={"etag": "1"})

    here = lab(routes)
    answer = await here.call("GET", "/api/merchants/m1", headers=here.signed())
    body = answer.json()
    assert (body["success"], body["data"]) == (True, {"id": "m1"})
    assert body["requestId"] == answer.headers["x-request-id"]
    assert body["timestamp"].endswith("Z")
    assert answer.headers["etag"] == "1"
    assert (await here.call("GET", "/api/merchants/none", headers=here.signed())).status_code == 204


async def test_429_and_503_always_say_when_to_come_back(lab: MakeLab) -> None:
    routes = Routes(prefix="/api", tag="Away")

    @routes.get("/away", permission=READ, limit="other", response_model=None, summary="Away")
    async def away() -> Any:
        raise Unavailable

    here = lab(routes)
    answer = await here.call("GET", "/api/away", headers=here.signed())
    assert answer.headers["retry-after"] == str(answer.json()["error"]["retryAfter"]) == "5"


async def test_the_bare_address_leads_to_the_page(lab: MakeLab) -> None:
    answer = await lab().call("GET", "/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/docs")


async def test_LO_10_refusals_are_logged_with_who_and_what(lab: MakeLab, caplog: pytest.LogCaptureFixture) -> None:
    here = lab(things())
    await here.call("POST", "/api/things", headers=here.signed("user"))
    await here.call("GET", "/api/things/thing", headers={"authorization": "Bearer x.y.z"})
    refused = [record.__dict__ for record in caplog.records if record.name == "isthmus.http.security"]
    assert (refused[0]["permission"], refused[0]["principal"]) == ("things:manage", "user:isthmus:usr_1")
    assert refused[1]["address"] == "203.0.113.9"
