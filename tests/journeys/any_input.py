"""Schemathesis over the whole description of the API, against a running deployment, as somebody in one role."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from zlib import crc32

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.schemas import BaseSchema
from tests.journeys.routes import BODIES, Case

#: What must hold of every answer, whatever was sent.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)


@dataclass
class Outcome:
    """What came of it."""

    calls: int = 0
    operations: set[str] = field(default_factory=set)
    answered: set[int] = field(default_factory=set)
    #: One line for each thing that does not hold.
    faults: list[str] = field(default_factory=list)


def narrowed(document: Mapping[str, Any], cases: Iterable[Case], known: Mapping[str, str]) -> dict[str, Any]:
    """The document with these operations only, and with what is there standing as their examples."""
    paths: dict[str, Any] = {}
    for case in cases:
        operation = document["paths"].get(case.route.path_format, {}).get(case.method.lower())
        if operation is None or operation.get("x-streamed"):
            continue
        paths.setdefault(case.route.path_format, {})[case.method.lower()] = _with_examples(operation, case, known)
    return {**document, "paths": paths}


def _with_examples(operation: dict[str, Any], case: Case, known: Mapping[str, str]) -> dict[str, Any]:
    try:
        asked = case.call(known)
    except KeyError:
        return operation  # the wall's own test says that it stands in no table
    parts = dict(zip(case.route.path.split("/"), asked.path.split("/"), strict=True))
    parameters = [
        {**one, "example": parts["{" + one["name"] + "}"]} if one["in"] == "path" else one
        for one in operation.get("parameters", ())
    ]
    content = operation.get("requestBody", {}).get("content", {})
    if str(case) not in BODIES or "application/json" not in content:
        return {**operation, "parameters": parameters}
    media = content["application/json"]
    body = {**operation["requestBody"], "content": {"application/json": {**media, "example": dict(asked.body or {})}}}
    return {**operation, "parameters": parameters, "requestBody": body}


def both(one: Outcome, other: Outcome) -> Outcome:
    """What came of two runs."""
    return Outcome(
        one.calls + other.calls,
        one.operations | other.operations,
        one.answered | other.answered,
        one.faults + other.faults,
    )


def run(document: dict[str, Any], address: str, headers: Mapping[str, str], **how: Any) -> Outcome:
    """Call every operation of the document.

    `how`: `examples` per operation, whether `coverage` is swept, the `seed`, `reuse` of what was answered before, and
    `most`, how many cases of a sweep are sent for an operation, spread over all of them.
    """
    reuse = {"responses": how.get("reuse", True)}
    generation = {"max-examples": how["examples"] or 1, "deterministic": True, "no-shrink": True, "database": "none"}
    generation["with-security-parameters"] = False
    config = SchemathesisConfig.from_dict(
        {
            "seed": how.get("seed", 1),
            "base-url": address,
            "headers": dict(headers),
            "request-timeout": 30,
            "continue-on-failure": True,
            "generation": generation,
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
            "phases": {
                # whoever may suspend and delete tenants does so with none that it comes across
                "examples": {"enabled": True},
                "coverage": {"enabled": how["coverage"], "extra-data-sources": reuse},
                "fuzzing": {"enabled": how["examples"] > 0, "extra-data-sources": reuse},
                "stateful": {"enabled": False},
            },
        }
    )
    outcome = Outcome()
    schema = schemathesis.openapi.from_dict(document, config=config)
    # what is amiss in the document itself is looked for by tests of their own
    with patch.object(schema, "iter_schema_warnings", list), _thinned(schema, how.get("most")):
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished):
                _note(outcome, event)
            elif isinstance(event, events.NonFatalError):
                outcome.faults.append(f"{event.label}: {event.value}")
            elif isinstance(event, events.FatalError):
                raise event.exception
    return outcome


@contextmanager
def _thinned(schema: BaseSchema, most: int | None) -> Iterator[None]:
    """Send so many cases of each operation's sweep; which ones depends on the operation, and stays the same."""
    if most is None:
        yield
        return
    every = schema.iter_coverage_cases

    def some(operation: Any, **more: Any) -> Iterator[Any]:
        cases = list(every(operation, **more))
        step = max(1, -(-len(cases) // most))
        return iter(cases[crc32(operation.label.encode()) % step :: step])

    with patch.object(schema, "iter_coverage_cases", some):
        yield


def _note(outcome: Outcome, event: events.ScenarioFinished) -> None:
    recorder = event.recorder
    outcome.operations.add(recorder.label)
    for name, interaction in recorder.interactions.items():
        outcome.calls += 1
        if interaction.response is not None:
            outcome.answered.add(interaction.response.status_code)
        for check in recorder.checks.get(name, ()):
            if check.failure_info is None:
                continue
            failure = check.failure_info.failure
            request = interaction.request
            sent = (request.body or b"")[:300].decode("utf-8", "replace")
            message = " ".join(failure.message.split())[:200]
            outcome.faults.append(f"{recorder.label}: {failure.title}: {message}; {request.uri[:200]} {sent}")
