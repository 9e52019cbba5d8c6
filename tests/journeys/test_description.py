"""The whole product's description of its API: valid to a validator that is not ours, and complete."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.journeys.routes import CASES, application

from isthmus.http import openapi

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


def test_the_one_shape_of_failures_has_an_example() -> None:
    shape = _document()["components"]["schemas"]["Error"]
    assert list(Draft202012Validator(shape).iter_errors(shape["examples"][0])) == []
