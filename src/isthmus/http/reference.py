"""The human page of the API: drawn here from the OpenAPI document, with nothing from outside the server.

Packaged Swagger UI bundles draw OpenAPI 3.0 only; this page is a few kilobytes and draws ours.
"""

import json
from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Any

_METHODS = ("get", "post", "put", "patch", "delete")
_SAMPLE_DEPTH = 5
_SAMPLES = {"integer": 0, "number": 0, "boolean": False, "string": "", "null": None}


def static(name: str) -> bytes:
    """A file of the page. Raises FileNotFoundError."""
    return resources.files("isthmus.http").joinpath("page", name).read_bytes()


def page(document: Mapping[str, Any]) -> str:
    """The page."""
    operations: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                tag = (item[method].get("tags") or ["Other"])[0]
                operations.setdefault(tag, []).append(_operation(document, path, method, item[method]))
    title = escape(document["info"]["title"])
    links = "".join(f'<a href="#{_anchor(tag)}">{escape(tag)}</a>' for tag in operations)
    sections = "".join(
        f'<section><h2 id="{_anchor(tag)}">{escape(tag)}</h2>{"".join(parts)}</section>'
        for tag, parts in operations.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title} API</title><link rel="stylesheet" href="/docs/style.css"></head><body>'
        f"<h1>{title} API</h1><p>{_prose(document['info'].get('description', ''))}</p>"
        '<p>The same as a document: <a href="/api/openapi.json">openapi.json</a>, '
        '<a href="/api/openapi.yaml">openapi.yaml</a>.</p>'
        '<p class="token"><label for="token">Token</label>'
        '<input id="token" type="password" autocomplete="off" placeholder="isthmus token"></p>'
        f'<nav>{links}</nav>{sections}<script src="/docs/script.js"></script></body></html>'
    )


def _anchor(tag: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in tag.lower())


def _prose(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def _operation(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    permission = operation.get("x-permission")
    limit = operation["x-rate-limit"]
    needs = f"needs <code>{escape(permission)}</code>" if permission else "open to everyone"
    name = escape(operation["operationId"])
    return (
        f'<details id="{name}"><summary><span class="method {method}">{method.upper()}</span>'
        f'<span class="path">{escape(path)}</span><span class="about">{escape(operation.get("summary", ""))}</span>'
        f'</summary><div class="inside"><p>{_prose(operation.get("description", ""))}</p>'
        f'<p class="tag">{needs}; {limit["perMinute"]} a minute per {limit["countedBy"]} '
        f"(class {escape(limit['class'])})</p>"
        f"{_parameters(operation)}{_answers(document, operation)}{_form(document, path, method, operation)}"
        "</div></details>"
    )


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td>"
        f"<td>{_kind(each.get('schema', {}))}</td><td>{_prose(each.get('description', ''))}</td></tr>"
        for each in operation.get("parameters", ())
    )
    return f"<h4>Parameters</h4><table>{rows}</table>" if rows else ""


def _kind(schema: Mapping[str, Any]) -> str:
    options = [option for option in schema.get("anyOf", (schema,)) if option.get("type") != "null"]
    texts = []
    for option in options:
        values = option.get("enum")
        texts.append(" | ".join(str(value) for value in values) if values else str(option.get("type", "")))
    return escape(" | ".join(texts))


def _answers(document: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
    rows = []
    for status, answer in sorted(operation["responses"].items()):
        shown = ""
        for media, content in answer.get("content", {}).items():
            if status < "400" and media == "application/json":
                shown = f"<pre>{_sample_text(document, content['schema'])}</pre>"
            elif status < "400":
                shown = f"<code>{escape(media)}</code>"
        about = "<br>".join(_prose(line) for line in answer["description"].split("\n\n"))
        rows.append(f"<tr><td>{status}</td><td>{about}{shown}</td></tr>")
    return f"<h4>Answers</h4><table>{''.join(rows)}</table>"


def _form(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    fields = "".join(
        f'<label><span>{escape(each["name"])}</span><input name="{each["in"]}:{escape(each["name"])}"'
        f"{' required' if each.get('required') else ''}></label>"
        for each in operation.get("parameters", ())
    )
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        sample = _sample_text(document, content["application/json"]["schema"])
        fields += f'<textarea name="body:" aria-label="Body">{sample}</textarea>'
    return (
        f'<h4>Try it</h4><form class="try" data-method="{method.upper()}" data-path="{escape(path)}">{fields}'
        "<p><button>Send</button></p><pre><output hidden></output></pre></form>"
    )


def _sample_text(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    return escape(json.dumps(_sample(document, schema, 0), indent=2, ensure_ascii=False))


def _sample(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> object:
    if depth > _SAMPLE_DEPTH:
        return {}
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return _sample(document, document["components"]["schemas"][name], depth + 1)
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _sample(document, schema[key][0], depth + 1)
    return _sample_of_type(document, schema, depth)


def _sample_of_type(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> object:
    kind = schema.get("type")
    if kind == "object":
        return {name: _sample(document, each, depth + 1) for name, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [_sample(document, schema.get("items", {}), depth + 1)]
    if kind == "string":
        return {"date-time": "2026-01-01T00:00:00Z", "decimal": "0"}.get(schema.get("format", ""), "")
    return _SAMPLES.get(str(kind))
