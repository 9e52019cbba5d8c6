"""The whole product's description of its API: valid to a validator that is not ours, and complete."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.journeys.routes import CASES, application

from isthmus.http import openapi
from isthmus.http.moments import EXAMPLE

SHOWN = [case for case in CASES if case.route.include_in_schema]


@cache
def _document() -> dict[str, Any]:
    built = openapi.build(application().inventory, title="Isthmus", version="1")
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(built))
    return decoded


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for case in SHOWN:
        yield str(case), _document()["paths"][case.route.path_format][case.method.lower()]


def test_an_independent_validator_finds_nothing_wrong() -> None:
    assert _document()["openapi"].startswith("3.1")
    assert [str(fault.message)[:200] for fault in OpenAPIV31SpecValidator(_document()).iter_errors()] == []


def test_every_operation_names_its_permission_its_limit_its_failures_and_its_headers() -> None:
    for name, operation in _operations():
        assert "x-permission" in operation, name
        assert operation["x-rate-limit"]["perMinute"] > 0, name
        assert operation["summary"], name
        statuses = operation["responses"].keys()
        assert {"400", "429", "500", "503"} <= statuses, name
        assert operation["x-permission"] is None or {"401", "403"} <= statuses, name
        for status, answer in operation["responses"].items():
            assert {"X-Request-Id", "X-RateLimit-Limit"} <= answer["headers"].keys(), (name, status)
            assert status not in {"429", "503"} or "Retry-After" in answer["headers"], name


def _bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, operation in _operations():
        answers = [answer for status, answer in operation["responses"].items() if status < "300"]
        for body in (operation.get("requestBody", {}), *answers):
            told = body.get("content", {}).get("application/json")
            if told is not None:
                yield name, told


def test_every_json_body_has_an_example_that_its_schema_takes() -> None:
    checked = 0
    for name, told in _bodies():
        schema = {**told["schema"], "components": _document()["components"]}
        faults = Draft202012Validator(schema).iter_errors(told["example"])
        assert [f"{one.json_path}: {one.message[:100]}" for one in faults] == [], name
        checked += 1
    assert checked > 100


def test_an_example_that_is_sent_as_it_stands_says_what_goes_together() -> None:
    bodies = {
        name: one.get("requestBody", {}).get("content", {}).get("application/json") for name, one in _operations()
    }
    sent = {name: told["example"] for name, told in bodies.items() if told}
    search = next(one for name, one in sent.items() if "/integrations/search" in name)
    window = search["filters"]["dateRange"]
    assert (window["start"] < window["end"], search["cursor"], search["userId"]) == (True, None, None)
    assert all(one["roles"] == ["user"] for one in sent.values() if isinstance(one, dict) and "roles" in one)
    made = [one for name, one in sent.items() if "POST" in name and "allowedShardTypes" in one]
    assert [one["integrationId"] for one in made] == ["acme_desk"]


def test_the_one_shape_of_failures_has_an_example() -> None:
    shape = _document()["components"]["schemas"]["Error"]
    assert list(Draft202012Validator(shape).iter_errors(shape["examples"][0])) == []


def _parts(schemas: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Every schema within these, those that they refer to among them, each once."""
    waiting, seen = list(schemas), set[str]()
    while waiting:
        schema = waiting.pop()
        name = schema.get("$ref", "").rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            waiting.append(_document()["components"]["schemas"][name])
        yield schema
        inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
        inner += [*schema.get("anyOf", ()), *schema.get("allOf", ())]
        waiting += [one for one in inner if isinstance(one, dict)]


def test_every_time_that_comes_in_is_one_that_can_be_reckoned_with() -> None:
    """A bare `datetime` takes the ends of the calendar, where any arithmetic fails: take `isthmus.http.Moment`."""
    bodies = [one.get("requestBody", {}).get("content", {}).values() for _, one in _operations()]
    parameters = [one.get("parameters", ()) for _, one in _operations()]
    given = _parts(one["schema"] for several in (*bodies, *parameters) for one in several)
    found = [one for one in given if one.get("format") == "date-time"]
    assert [one for one in found if one.get("examples") != [EXAMPLE]] == []
    assert len(found) > 20


def test_every_time_of_an_answer_is_described_as_one() -> None:
    answers = [one["responses"][status] for _, one in _operations() for status in one["responses"] if status < "300"]
    given = _parts(told["schema"] for one in answers for told in one.get("content", {}).values())
    fields = [pair for one in given for pair in one.get("properties", {}).items() if pair[0].endswith("At")]
    told = [(name, one) for name, inner in fields for one in inner.get("anyOf", [inner]) if one["type"] == "string"]
    assert [name for name, one in told if one.get("format") != "date-time"] == []
    assert len(told) > 100


def test_every_parameter_says_what_it_is_for() -> None:
    silent = [
        (name, one["name"])
        for name, operation in _operations()
        for one in operation.get("parameters", ())
        if not one.get("description")
    ]
    assert silent == []


def test_a_body_that_is_no_json_is_described_as_it_is_taken() -> None:
    """Files come as multipart forms, parts and signed events as they are: clients that are generated send them so."""
    given = {name: set(one.get("requestBody", {}).get("content", {})) for name, one in _operations()}
    at = "/api/merchants/{merchant_id}/product-sync"
    assert given[f"POST {at}/upload"] == given[f"POST {at}/preview"] == {"multipart/form-data"}
    assert given[f"PUT {at}/uploads/{{upload_id}}/parts/{{start}}"] == {"application/octet-stream"}
    assert given[f"POST {at}/webhook"] == {"application/json"}
    assert given["POST /api/proxy/{connection_id}/{path:path}"] == {"*/*"}
    assert given["GET /api/proxy/{connection_id}/{path:path}"] == set()
