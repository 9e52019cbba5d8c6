"""The page of the HTTP API, drawn from its OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tools.reference import code
from tools.reference.markdown import code as name
from tools.reference.markdown import page, sentence, table

from isthmus import __version__
from isthmus.http import openapi

_METHODS = ("get", "post", "put", "patch", "delete")
_SCHEMAS = "#/components/schemas/"


@cache
def document() -> Mapping[str, Any]:
    """The OpenAPI document of an API process."""
    return openapi.build(code.routes(), title="Isthmus", version=__version__)


def document_text() -> str:
    """The document as it is committed: one line per operation and per shape, so that a change is seen where it is."""
    return _lines(document(), depth=3) + "\n"


def _lines(value: object, depth: int, indent: str = "") -> str:
    if not isinstance(value, Mapping) or not depth or not value:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    inner = indent + " "
    parts = [f"{inner}{json.dumps(key)}: {_lines(one, depth - 1, inner)}" for key, one in sorted(value.items())]
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def text() -> str:
    """The page: one section per tag, then the shapes that they name."""
    found = document()
    tags: dict[str, list[str]] = {}
    for path, item in sorted(found["paths"].items()):
        for method in _METHODS:
            if method in item:
                tags.setdefault(item[method]["tags"][0], []).append(_operation(path, method, item[method]))
    sections = [f"## {tag}\n\n" + "\n\n".join(parts) for tag, parts in sorted(tags.items())]
    shapes = [_shape(title, schema) for title, schema in sorted(found["components"]["schemas"].items())]
    return page(
        "HTTP API",
        found["info"]["description"],
        "The running server shows the same at `/docs`, and as a document at `/api/openapi.json` and "
        "`/api/openapi.yaml`; [openapi.json](openapi.json) is a copy. Who may call what is on the page of "
        "[permissions](permissions.md), all codes on the page of [errors](errors.md).",
        *sections,
        "## Shapes",
        *shapes,
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    needs = operation["x-permission"]
    limit = operation["x-rate-limit"]
    facts = (
        f"Needs {name(needs)}. " if needs else "Open to everyone. "
    ) + f"Limit class {name(limit['class'])}: {limit['perMinute']} a minute per {limit['countedBy']}."
    about = [sentence(operation.get("summary", "")), sentence(operation.get("description", ""))]
    blocks = [
        f"### {method.upper()} {path}",
        " ".join(filter(None, about)),
        facts,
        _parameters(operation),
        _body(operation),
        table(("Status", "Answer"), _answers(operation)),
    ]
    return "\n\n".join(block for block in blocks if block)


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = [
        (
            name(one["name"]) + ("" if not one.get("required") else " (required)"),
            one["in"],
            kind(one.get("schema", {})),
            sentence(one.get("description", "")),
        )
        for one in operation.get("parameters", ())
    ]
    return table(("Parameter", "In", "Takes", "About"), rows)


def _body(operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return " ".join(f"Body ({media}): {kind(one.get('schema', {}))}." for media, one in content.items())


def _answers(operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for status, answer in sorted(operation["responses"].items()):
        if not status.startswith(("2", "3")):
            named = [name(each) for each in codes(answer)]
            yield status, ", ".join(named) or sentence(answer.get("description", ""))
            continue
        shapes = [
            kind(one.get("schema", {})) if media == "application/json" else media
            for media, one in answer.get("content", {}).items()
        ]
        yield status, ", ".join(shapes) or "no body"


def codes(answer: Mapping[str, Any]) -> list[str]:
    """The error codes of one documented answer."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    for part in schema.get("allOf", ()):
        found = part.get("properties", {}).get("error", {}).get("properties", {}).get("code", {}).get("enum")
        if found:
            return list(found)
    return []


def _shape(title: str, schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (
            name(field),
            kind(one) + ("" if field in required else ", may be left out"),
            sentence(one.get("description", "")),
        )
        for field, one in schema.get("properties", {}).items()
    ]
    blocks = [f"### {title}", sentence(schema.get("description", "")), table(("Field", "Is", "About"), rows)]
    if not rows:
        blocks.append(kind(schema))
    return "\n\n".join(block for block in blocks if block)


def kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        title = schema["$ref"].removeprefix(_SCHEMAS)
        return f"[{title}](#{title.lower()})"
    options = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if options:
        said = [kind(one) for one in options if one.get("type") != "null"]
        return " or ".join(said) + (" or null" if len(said) < len(options) else "")
    if "enum" in schema:
        return "one of " + ", ".join(name(str(one)) for one in schema["enum"] if one is not None)
    if "const" in schema:
        return name(json.dumps(schema["const"]))
    return _plain(schema)


def _plain(schema: Mapping[str, Any]) -> str:
    given = schema.get("type", "anything")
    if isinstance(given, list):
        return " or ".join(_plain({**schema, "type": one}) for one in given)
    if given == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if given == "object":
        inner = schema.get("additionalProperties")
        return f"object of {kind(inner)}" if isinstance(inner, dict) and inner else "object"
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most"))
        if key in schema
    ]
    shown = f"{given} ({schema['format']})" if "format" in schema else str(given)
    return " ".join([shown, *bounds])
