"""Examples for the API's description, made of its schemas and of what the fields are called."""

import re
from collections.abc import Mapping
from typing import Any

_DEPTH = 7
_TIME = "2026-01-01T09:30:00Z"
#: What a text holds, by the end of its field's name; the first that fits is taken.
_TEXTS = (
    ("email", "amy@example.com"),
    ("requestid", "req_01kdvmhfwrnrv49qcw9sam0d92"),
    ("merchantid", "ten_01kdvmhfwrnrv49qcw9sam0d92"),
    ("tenantid", "ten_01kdvmhfwrnrv49qcw9sam0d92"),
    ("connectionid", "con_01kdvmhfwrnrv49qcw9sam0d92"),
    ("integrationid", "int_01kdvmhfwrnrv49qcw9sam0d92"),
    ("userid", "usr_01kdvmhfwrnrv49qcw9sam0d92"),
    ("url", "https://app.example.com/done"),
    ("origin", "https://app.example.com"),
    ("origins", "https://app.example.com"),
    ("issuer", "https://sign-in.example.com"),
    ("algorithms", "RS256"),
    ("roles", "user"),
    ("users", "usr_01kdvmhfwrnrv49qcw9sam0d92"),
    ("integrations", "int_01kdvmhfwrnrv49qcw9sam0d92"),
    ("allowedshardtypes", "ticket"),
    ("searchableentities", "tickets"),
    ("shardtypes", "product"),
    ("entitytypes", "product"),
    ("entities", "products"),
    ("entity", "products"),
    ("types", "order.updated"),
    ("phone", "+84 90 123 45 67"),
    ("query", "tea"),
    ("icon", "bell"),
    ("cursor", "eyJhIjoi"),
    ("currency", "VND"),
    ("sku", "TEA-250"),
    ("provider", "acme_desk"),
    ("category", "marketplace"),
    ("colour", "#1A94FF"),
    ("color", "#1A94FF"),
    ("password", "plenty of dew on the meadow"),
    ("token", "..."),
    ("secret", "..."),
    ("key", "..."),
    ("name", "Tea house"),
    ("message", "What happened, and what to do."),
    ("id", "01kdvmhfwrnrv49qcw9sam0d92"),
)
#: What is tried where a pattern is asked for.
_PATTERNED = (
    "site",
    "09:00",
    "crm_contact",
    "VN",
    "1",
    "0 6 * * *",
    "https://app.example.com",
    "#1A94FF",
    "order.updated",
)
#: Names of moments that lie behind another one, or ahead of now.
_LATER = (("expiresat", "2099-01-01T00:00:00Z"), ("end", "2026-02-28T12:00:00Z"), ("until", "2026-02-28T12:00:00Z"))
_FORMATS = {
    "date": "2026-01-01",
    "decimal": "129000.00",
    "uri": "https://app.example.com/done",
    "email": "amy@example.com",
    "uuid": "0196b3ea-7b0c-7000-8000-000000000000",
}


def example(schemas: Mapping[str, Any], schema: Mapping[str, Any], name: str = "") -> object:
    """A value that the schema takes. `schemas` are the named ones that it may refer to; `name` is the field's."""
    return _of(schemas, schema, name, 0)


def _of(schemas: Mapping[str, Any], schema: Mapping[str, Any], name: str, depth: int) -> object:
    if "$ref" in schema:
        return _of(schemas, schemas[schema["$ref"].rsplit("/", 1)[-1]], name, depth + 1)
    for key in ("const", "default"):
        if schema.get(key) not in (None, "", {}, []):
            return schema[key]
    if schema.get("format") == "date-time":
        return _time(schema, name)
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    if "allOf" in schema:
        return _merged(schemas, schema["allOf"], name, depth)
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _of(schemas, _first(schema[key], depth), name, depth + 1)
    return _of_type(schemas, schema, name, depth)


def _first(options: list[Mapping[str, Any]], depth: int) -> Mapping[str, Any]:
    """The first option that says something; nothing at all, where it goes too deep."""
    nothing = [one for one in options if one.get("type") == "null"]
    told = [one for one in options if one.get("type") != "null"]
    return nothing[0] if nothing and (depth > _DEPTH or not told) else told[0]


def _merged(schemas: Mapping[str, Any], parts: list[Mapping[str, Any]], name: str, depth: int) -> object:
    made = [_of(schemas, one, name, depth + 1) for one in parts]
    merged: dict[str, Any] = {}
    for one in made:
        _lay(merged, one if isinstance(one, dict) else {})
    return merged or made[0]


def _lay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(name), dict):
            _lay(below[name], value)
        else:
            below[name] = value


def _of_type(schemas: Mapping[str, Any], schema: Mapping[str, Any], name: str, depth: int) -> object:
    given = schema.get("type")
    kind = given[0] if isinstance(given, list) else given
    if kind == "object" or "properties" in schema:
        required = set(schema.get("required", ()))
        inner = schema.get("properties", {}).items()
        made = {each: _of(schemas, one, each, depth + 1) for each, one in inner if depth <= _DEPTH or each in required}
        more = schema.get("additionalProperties")
        if not made and isinstance(more, dict) and schema.get("minProperties"):
            return {"site": _of(schemas, more, "site", depth + 1)}
        return made
    if kind == "array":
        fewest = schema.get("minItems", 0)
        return [] if depth > _DEPTH and not fewest else [_of(schemas, schema.get("items", {}), name, depth + 1)]
    if kind in ("integer", "number"):
        least = max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
        # a share, such as one of at most a half, has no room for the usual 1
        return min(least, schema.get("maximum", least))
    if kind == "boolean":
        return True
    return _text(schema, name) if kind == "string" else None


def _time(schema: Mapping[str, Any], name: str) -> str:
    plain = name.lower().replace("_", "")
    usual = (schema.get("examples") or [_TIME])[0]
    return next((at for end, at in _LATER if plain.endswith(end)), str(usual))


def _text(schema: Mapping[str, Any], name: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    plain = name.lower().replace("_", "")
    found = next((text for end, text in _TEXTS if plain.endswith(end)), "text")
    pattern = schema.get("pattern")
    if pattern and not re.search(pattern, found):
        return next((text for text in _PATTERNED if re.search(pattern, text)), found)
    return found.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 10_000)]
