"""What holds for every route: its declaration, its headers, its methods, its fields (HE-09 to HE-14, MA-01)."""

import gzip
import json
import pkgutil
import re
from collections.abc import Iterator, Sequence
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest
from tests.journeys.deployment import Answer, Deployment, Merchant
from tests.journeys.routes import BODIES, CASES, SIGNED, Asked, Case, application, unknown
from yarl import URL

from isthmus.http import Answer as Shape
from isthmus.http import openapi
from isthmus.http.asgi import REQUEST_ID
from isthmus.http.settings import LIMITS
from isthmus.kit.permissions import PLATFORM_TENANT, ROLES, SUPER_ADMIN

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
JSON = [case for case in SIGNED if case.route.takes_json]
PATHS = sorted({case.route.path for case in CASES})


async def _asked(running: Deployment, asked: Asked, **headers: str) -> Answer:
    url = running.address + asked.address
    async with (
        aiohttp.ClientSession() as client,
        client.request(asked.method, url, json=asked.body, headers=headers, allow_redirects=False) as answer,
    ):
        return Answer(answer.status, answer.headers, await answer.text())


def test_HE_14_every_route_says_who_may_call_it_what_it_counts_against_and_what_it_answers() -> None:
    for case in CASES:
        declared = case.route.declaration
        assert declared is not None, case
        assert declared.limit in LIMITS or case.permission is None, case
        assert case.route.summary, case
        assert case.route.responses, case
        assert case.permission is None or case.permission.roles <= set(ROLES), case
        if case.method != "GET" and case.permission:
            assert not case.permission.name.endswith(":read"), f"{case} changes something under a right to read"


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_HE_09_every_answer_forbids_storing_sniffing_and_framing(running: Deployment, case: Case) -> None:
    admin = (await _admin(running)).token
    for token in ({}, {"authorization": f"Bearer {admin}"}):
        if case.streams and token:
            continue
        answer = await _asked(running, case.call(unknown()), **token)
        heads = answer.headers
        assert heads["x-content-type-options"] == "nosniff"
        assert {"Authorization", "Cookie"} <= {one.strip() for one in heads["vary"].split(",")}
        assert "default-src 'none'" in heads["content-security-policy"]
        assert "server" not in {name.lower() for name in heads} or not re.search(r"\d", heads["server"])
        assert heads["x-request-id"]
        described = case.route.path in {"/api/openapi.json", "/api/openapi.yaml"} or case.route.path.startswith("/docs")
        assert heads["cache-control"] == ("no-cache" if described else "no-store"), answer.status


async def _admin(running: Deployment, case: Case | None = None) -> Merchant:
    """Somebody who may call it: an admin of a tenant, or of the deployment."""
    if case is not None and not case.for_tenants:
        return running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    found = running.owners.get("nobody")
    if found is None:
        found = running.owners["nobody"] = (await running.merchant("Admin"), "")
    return found[0]


_PROBE = "probe-"


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of requests with such an id."""
    told: list[str] = []

    def telling(name: str) -> None:
        real = getattr(asyncpg.Connection, name)

        async def tell(self: asyncpg.Connection, query: str, *rest: Any, **more: Any) -> Any:
            if REQUEST_ID.get().startswith(_PROBE):
                told.append(query)
            return await real(self, query, *rest, **more)

        monkeypatch.setattr(asyncpg.Connection, name, tell)

    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
        telling(name)
    return told


async def test_HE_05_a_name_that_is_not_ours_is_answered_nowhere(running: Deployment, touched: list[str]) -> None:
    """A page of another site whose name has been bound to this machine."""
    files = ("/", "/metrics", "/hooks/x", "/docs/script.js", "/connect/script.js", "/api/nowhere")
    asked = [case.call(unknown()) for case in CASES] + [Asked("GET", path) for path in files]
    admin = await _admin(running)
    assert (await admin.call("GET", "/api/products", **{"x-request-id": f"{_PROBE}0"})).status == 200
    assert touched, "statements are seen"
    touched.clear()
    for number, one in enumerate(asked):
        said = {"host": "rebind.test", "x-request-id": f"{_PROBE}{number}"}
        answer = await admin.call(one.method, one.address, one.body, **said)
        assert (answer.status, answer.body["error"]["code"]) == (421, "MISDIRECTED_REQUEST"), one
    assert touched == [], "before any work"


#: What stands in place of a parameter, and is another path for whoever decodes it twice or not at all.
AMBIGUOUS = ("a%2fb", "a%2F..%2Fb", "%2e%2e", "..%2f..%2fetc%2fpasswd", "a%00b", "a;b", "%5c..%5c", "a%252fb%2f")


async def test_HE_07_no_parameter_of_a_path_is_two_paths(running: Deployment, touched: list[str]) -> None:
    named = [case for case in CASES if "{" in case.route.path and "{path:path}" not in case.route.path]
    assert len(named) > 80
    asked = [(case.method, re.sub(r"\{\w+\}", bad, case.route.path), case) for case in named for bad in AMBIGUOUS] + [
        ("GET", f"/docs/{bad}", None) for bad in (*AMBIGUOUS, "....//", "style.css%00.js", "style.css/..")
    ]
    said = {"x-request-id": f"{_PROBE}path", "authorization": f"Bearer {(await _admin(running)).token}"}
    async with aiohttp.ClientSession(headers=said) as client:
        for method, path, case in asked:
            async with client.request(method, URL(running.address + path, encoded=True)) as answer:
                told = (answer.status, (await answer.json())["error"]["code"])
            assert told == (404, "NOT_FOUND"), (case, path)
    assert touched == []


@pytest.mark.parametrize("path", PATHS)
async def test_HE_12_other_methods_are_refused_and_options_reveals_nothing(running: Deployment, path: str) -> None:
    real = next(case for case in CASES if case.route.path == path).call(unknown()).path
    taken = {case.method for case in CASES if re.fullmatch(_pattern(case.route.path), real)}
    options = await _asked(running, Asked("OPTIONS", real))
    nowhere = await _asked(running, Asked("OPTIONS", "/api/nowhere"))
    assert (options.status, options.body) == (nowhere.status, nowhere.body) == (204, "")
    assert {n: v for n, v in options.headers.items() if n.lower() not in {"x-request-id", "date"}} == {
        n: v for n, v in nowhere.headers.items() if n.lower() not in {"x-request-id", "date"}
    }
    for method in METHODS:
        if method in taken:
            continue
        answer = await _asked(running, Asked(method, real))
        assert answer.status == 405, (method, answer.body)
        assert taken <= {one.strip() for one in answer.headers["allow"].split(",")}


def _pattern(path: str) -> str:
    return re.sub(r"\{\w+\}", "[^/]+", re.sub(r"\{\w+:path\}", ".+", path))


async def test_HE_13_what_is_open_names_no_tenant_no_version_and_no_address(running: Deployment) -> None:
    made = [await running.merchant(f"Canary Shop {number}") for number in range(3)]
    database = running.platform.engine.database.url
    for one in made:
        assert (await one.call("GET", "/api/products?search=Canary")).status == 200
        assert (await one.call("GET", f"/api/merchants/{one.tenant_id}/api-keys")).status == 200
    assert "request_seconds_count" in (await _asked(running, Asked("GET", "/metrics"))).body
    for path in (
        "/metrics",
        "/health/live",
        "/health/ready",
        "/docs",
        "/docs/script.js",
        "/docs/style.css",
        "/api/openapi.json",
        "/api/openapi.yaml",
        "/",
    ):
        text = (await _asked(running, Asked("GET", path))).body
        assert "Canary" not in text
        assert not [one.tenant_id for one in made if one.tenant_id in text]
        assert database not in text
        assert not re.search(
            r"postgresql://|asyncpg|uvicorn|starlette|fastapi|sqlalchemy|pgqueuer|Python/3", text, re.IGNORECASE
        ), path


#: What goes wrong below a route: in the database, on a disk, in a driver, in our own work.
FAILURES: Sequence[Exception] = (
    asyncpg.UndefinedColumnError('column "canary_column" does not exist: select canary_secret from vault'),
    FileNotFoundError(2, "No such file or directory", "/canary/of/the/disk"),
    asyncpg.InterfaceError("cannot canary: another operation is in progress"),
    KeyError("canary-value"),
    ZeroDivisionError("canary by zero"),
)
_BROKEN = "broken-"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement of requests with such an id fails in the way that the id numbers; which ones did."""
    met: list[str] = []

    def breaking(name: str) -> None:
        sound = getattr(asyncpg.Connection, name)

        async def breaks(self: asyncpg.Connection, query: str, *rest: Any, **more: Any) -> Any:
            asked = REQUEST_ID.get()
            if asked.startswith(_BROKEN) and " tenants" not in query:
                met.append(asked)
                raise FAILURES[int(asked.removeprefix(_BROKEN)) % len(FAILURES)]
            return await sound(self, query, *rest, **more)

        monkeypatch.setattr(asyncpg.Connection, name, breaks)

    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
        breaking(name)
    return met


async def test_HE_10_whatever_fails_below_a_route_no_answer_says_how(running: Deployment, broken: list[str]) -> None:
    asked = [case for case in SIGNED if not case.streams][::3]
    for number, case in enumerate(asked):
        admin = await _admin(running, case)
        name = {"authorization": f"Bearer {admin.token}", "x-request-id": f"{_BROKEN}{number}"}
        answer = await _asked(running, case.call(unknown()), **name)
        told = answer.body + str(dict(answer.headers))
        assert not re.search(r"canary|Traceback|asyncpg|Undefined|KeyError|ZeroDivision|site-packages", told), told
        if f"{_BROKEN}{number}" in broken:
            assert answer.status in {500, 503}, (case, answer.status, answer.body)
            error = json.loads(answer.body)["error"]
            assert error["code"] in {"INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "DATABASE_UNAVAILABLE"}, (case, error)
            assert error["requestId"] == f"{_BROKEN}{number}"
    assert len(set(broken)) > len(asked) // 2


#: Where a request passes, from the credentials to the answer's bytes.
LAYERS = {
    "door": "isthmus.http.auth.Doorkeeper.verify",
    "authenticator": "isthmus.http.tokens.TokenAuthenticator.verify",
    "parsing": "isthmus.http.routes.parse_json",
    "transaction": "isthmus.scope.Scope.tx",
    "events": "isthmus.scope.Tx.emit",
    "encoding": "isthmus.http.answers.Document.__init__",
}


@pytest.mark.parametrize("layer", LAYERS)
async def test_HE_10_whatever_fails_in_a_layer_no_answer_says_how(
    running: Deployment, layer: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    admin = await running.merchant(f"Broken {layer}")
    place, _, name = LAYERS[layer].rpartition(".")
    holder = pkgutil.resolve_name(place)
    sound = getattr(holder, name)

    def fails(*given: Any, **more: Any) -> Any:
        if REQUEST_ID.get().startswith(_BROKEN):
            raise RuntimeError("canary-value in select canary from /canary/of/the/disk")
        return sound(*given, **more)

    monkeypatch.setattr(holder, name, fails)
    body = BODIES["POST /api/webhooks/endpoints"]
    statuses = set()
    for number, asked in enumerate((Asked("GET", "/api/products"), Asked("POST", "/api/webhooks/endpoints", {}, body))):
        said = {"authorization": f"Bearer {admin.token}", "x-request-id": f"{_BROKEN}{layer}-{number}"}
        answer = await _asked(running, asked, **said)
        told = answer.body + str(dict(answer.headers))
        assert not re.search(r"canary|Traceback|RuntimeError|site-packages|\.py", told), told
        statuses.add(answer.status)
        if answer.status == 500:
            error = json.loads(answer.body)["error"]
            assert (error["code"], error["requestId"]) == ("INTERNAL_ERROR", f"{_BROKEN}{layer}-{number}")
    assert 500 in statuses
    assert "canary-value" in caplog.text
    assert "Traceback" in caplog.text


async def test_HE_03_no_route_unpacks_what_it_is_sent(running: Deployment) -> None:
    wrong, taking = {}, [case for case in CASES if case.method != "GET" and not case.passes_on]
    async with aiohttp.ClientSession() as client:
        for case in taking:
            said = {
                "authorization": f"Bearer {(await _admin(running, case)).token}",
                "content-type": "application/json",
                "content-encoding": "gzip",
            }
            url = running.address + case.call(unknown()).address
            async with client.request(case.method, url, data=gzip.compress(b"{}"), headers=said) as answer:
                if (answer.status, (await answer.json())["error"]["code"]) != (415, "UNSUPPORTED_MEDIA_TYPE"):
                    wrong[str(case)] = answer.status
    assert wrong == {}
    assert len(taking) > 100


@pytest.mark.parametrize("case", [one for one in SIGNED if "limit" in one.route.known_query], ids=str)
async def test_HE_04_what_is_asked_for_once_is_said_once(running: Deployment, case: Case) -> None:
    asked = case.call(unknown())
    admin = await _admin(running, case)
    path = f"{asked.address}{'&' if '?' in asked.address else '?'}limit=1&limit=2"
    answer = await admin.call(case.method, path, asked.body)
    assert (answer.status, answer.body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert "limit" in [one["path"] for one in answer.body["error"]["details"]["fields"]]


def _answers(kind: type[msgspec.Struct] = Shape) -> Iterator[type[msgspec.Struct]]:
    for child in kind.__subclasses__():
        yield child
        yield from _answers(child)


def _response_fields() -> set[str]:
    """Every field that some answer of the product has, on the wire."""
    return {
        name
        for kind in _answers()
        if kind.__module__.startswith("isthmus.features")
        for name in kind.__struct_encode_fields__
    }


#: 002 calls a provider's own release `version`; what only we write may be sent back as it was read (api.md, Shapes).
TOLD_BACK = {
    "POST /api/admin/integrations": frozenset({"version"}),
    "PATCH /api/admin/integrations/{category}/{id}": frozenset({"version", "id", "createdAt", "updatedAt"}),
    "PATCH /api/tenant/integrations/{id}": frozenset({"id", "createdAt", "updatedAt"}),
}


@pytest.mark.parametrize("case", JSON, ids=str)
async def test_MA_01_no_field_that_belongs_to_the_server_is_taken(running: Deployment, case: Case) -> None:
    model: Any = case.route.body_field
    taken = {field.alias or name for name, field in model.field_info.annotation.model_fields.items()}
    foreign = sorted(
        (_response_fields() | {"tenantId", "status", "audience", "credentialSecretName", "createdBy"}) - taken
    )
    assert {"id", "createdAt", "updatedAt", "version"} - TOLD_BACK.get(str(case), frozenset()) <= set(foreign)
    admin = await _admin(running, case)
    asked = case.call(unknown())
    for some in [foreign[at : at + 40] for at in range(0, len(foreign), 40)]:
        body = {**(BODIES[str(case)]), **dict.fromkeys(some, "planted")}
        answer = await admin.call(case.method, asked.path, body)
        assert (answer.status, answer.body["error"]["code"]) == (400, "VALIDATION_ERROR")
        assert set(some) <= {one["path"] for one in answer.body["error"]["details"]["fields"]}
        assert "planted" not in str(answer.body)


@pytest.mark.parametrize("case", [case for case in SIGNED if not case.passes_on], ids=str)
async def test_MA_01_unknown_query_names_are_refused(running: Deployment, case: Case) -> None:
    asked = case.call(unknown())
    admin = await _admin(running, case)
    answer = await admin.call(case.method, asked.path + "?tenantId=ten_other", asked.body)
    assert (answer.status, answer.body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert answer.body["error"]["details"]["fields"][0]["path"] == "tenantId"
    assert "ten_other" not in str(answer.body)


DOCUMENT = openapi.build(application().inventory, title="Isthmus", version="1")
#: What only the server says of an object, whichever it is.
SERVERS = ("tenantId", "createdBy", "createdAt", "updatedAt", "credentialSecretName", "roles")
Inner = tuple[tuple[str | int, ...], dict[str, Any]]


def _inner(schema: dict[str, Any], value: Any, place: tuple[str | int, ...] = ()) -> Iterator[Inner]:
    """Every object of a body whose fields have names, at any depth, and where it stands."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema = DOCUMENT["components"]["schemas"][name]
    for kind in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _inner(kind, value, place)
    if isinstance(value, list) and "items" in schema:
        for number, one in enumerate(value):
            yield from _inner(schema["items"], one, (*place, number))
    if isinstance(value, dict) and "properties" in schema:
        yield place, value
        for field, one in schema["properties"].items():
            yield from _inner(one, value.get(field), (*place, field))


def _example(case: Case) -> tuple[dict[str, Any], list[Inner]]:
    """A body with all that a route takes, and the objects in it."""
    content = DOCUMENT["paths"][case.route.path_format][case.method.lower()]["requestBody"]["content"]
    body = json.loads(json.dumps(content["application/json"]["example"]))
    return body, [one for one in _inner(content["application/json"]["schema"], body) if one[0]]


NESTED = [case for case in JSON if _example(case)[1]]


def test_MA_02_the_bodies_with_objects_in_them_are_found() -> None:
    assert len(NESTED) >= 10
    assert sum(len(_example(case)[1]) for case in NESTED) >= 50


@pytest.mark.parametrize("case", NESTED, ids=str)
async def test_MA_02_no_object_in_a_body_takes_a_field_that_belongs_to_the_server(
    running: Deployment, case: Case
) -> None:
    admin = await _admin(running, case)
    for name in SERVERS:
        body, inner = _example(case)
        for _, held in inner:
            held.setdefault(name, "planted")
        answer = await admin.call(case.method, case.call(unknown()).path, body)
        assert (answer.status, answer.body["error"]["code"]) == (400, "VALIDATION_ERROR")
        named = {one["path"] for one in answer.body["error"]["details"]["fields"]}
        assert {".".join(map(str, (*place, name))) for place, held in inner if held[name] == "planted"} - named == set()
        assert "planted" not in str(answer.body)


async def test_MA_02_a_name_that_a_provider_or_a_reader_does_not_list_is_refused_too(running: Deployment) -> None:
    """Settings, options, mappings and a provider's document have names that no route's shape lists."""
    amy, connection = await running.owner("tiki")
    found = (await amy.call("GET", f"/api/connections/{connection}")).body["integrationId"]
    planted = {"tenantId": "planted"}
    files, product = f"/api/merchants/{amy.tenant_id}/product-sync", {"title": "a"}
    said = {"key": "no", "product": product}
    asked = (
        Asked("POST", "/api/tenant/integrations", body={"integrationId": "tiki", "name": "x", "settings": planted}),
        Asked("PATCH", f"/api/tenant/integrations/{found}", body={"settings": planted}),
        Asked("PUT", f"/api/config/{connection}/options", body={"options": planted}),
        Asked("POST", f"{files}/mappings", body={"name": "x", "mapping": {**said, "product": {**product, **planted}}}),
        Asked("POST", f"{files}/mappings", body={"name": "x", "mapping": {**said, **planted}}),
    )
    for one in asked:
        answer = await amy.call(one.method, one.path, one.body)
        assert (answer.status, answer.body["error"]["code"]) == (400, "VALIDATION_ERROR"), (one, answer.body)
        assert "tenantId" in str(answer.body["error"]["details"]), one
        assert "planted" not in str(answer.body)
    operator = running.person(PLATFORM_TENANT, [SUPER_ADMIN], "operator")
    whole = await operator.call("PATCH", "/api/admin/integrations/marketplace/tiki", {"document": planted})
    assert (whole.status, whole.body["error"]["code"]) == (400, "VALIDATION_ERROR"), whole.body
