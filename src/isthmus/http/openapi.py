"""The API's own description, OpenAPI 3.1: what FastAPI knows, completed by what each route declares."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from fastapi.openapi.utils import get_openapi
from pydantic.alias_generators import to_camel

from isthmus.http.browsers import SESSION_COOKIE
from isthmus.http.examples import example
from isthmus.http.parameters import described
from isthmus.http.routes import Declaration, DeclaredRoute, Public
from isthmus.http.schemas import answer_schemas
from isthmus.http.settings import BY_ADDRESS, LIMITS

_BODILESS = {"204", "302", "303", "304"}
_ABOUT = (
    "Connects shops and other systems and keeps their records in sync. Every failure has the shape of `Error`. "
    "Lists take `limit` (at most 100) with `offset` or `cursor`. Times are RFC 3339 in UTC, money is a string with a "
    "`currency` beside it. Send `X-Request-Id` to find a request again in the logs."
)

_ERROR: dict[str, Any] = {
    "type": "object",
    "title": "Error",
    "description": "The one shape of every failure.",
    "required": ["success", "error", "timestamp", "requestId"],
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message", "requestId"],
            "properties": {
                "code": {"type": "string", "description": "A name that stays the same."},
                "message": {"type": "string", "description": "What happened and what to do, for people."},
                "details": {
                    "type": "object",
                    "description": "Of a validation error: `fields`, a list of `{path, message}`.",
                    "additionalProperties": True,
                },
                "requestId": {"type": "string"},
                "retryAfter": {"type": "integer", "description": "Seconds to wait before trying again."},
            },
        },
        "timestamp": {"type": "string", "format": "date-time"},
        "requestId": {"type": "string"},
    },
}
_HEADERS: dict[str, Any] = {
    "RequestId": {"description": "The request's id, yours or ours.", "schema": {"type": "string"}},
    "RateLimitLimit": {"description": "Requests per minute of this class.", "schema": {"type": "integer"}},
    "RateLimitRemaining": {"description": "What is left of them.", "schema": {"type": "integer"}},
    "RateLimitReset": {"description": "Epoch second from which more is admitted.", "schema": {"type": "integer"}},
    "RetryAfter": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}},
    "ETag": {
        "description": "Stands for what can be changed of this: a change that names it in `If-Match` is made to this "
        "or not at all.",
        "schema": {"type": "string"},
    },
}
_ON_EVERY = {
    "X-Request-Id": {"$ref": "#/components/headers/RequestId"},
    "X-RateLimit-Limit": {"$ref": "#/components/headers/RateLimitLimit"},
    "X-RateLimit-Remaining": {"$ref": "#/components/headers/RateLimitRemaining"},
    "X-RateLimit-Reset": {"$ref": "#/components/headers/RateLimitReset"},
}
_ON_DEPRECATED = {
    "Deprecation": {"description": "Since when this should not be used (RFC 9745).", "schema": {"type": "string"}},
    "Sunset": {"description": "From when on it may be gone (RFC 8594).", "schema": {"type": "string"}},
}
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "The session of a browser, for this server's own pages only: see `POST /api/auth/session`.",
    },
}
_STREAM = {
    "type": "string",
    "description": "Server-sent events: `id`, `event` and `data` (JSON) per event, comments as heartbeats. "
    "Reconnect with Last-Event-ID to go on after the last event seen.",
}
_REPEATED = {
    "type": "object",
    "description": "The answer to a repeated Idempotency-Key: the same without what is shown only once.",
    "required": ["secretShown"],
    "properties": {"secretShown": {"const": True}},
    "additionalProperties": True,
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "1 to 255 visible characters: a repeated request with the same key and body takes effect once, and "
    "its answer is given again for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of what you have read, which is its `etag` in double quotes: where it is not so any "
    "more, nothing is changed, and the answer is 409 with the present one in `details.etag`. `*` fits whatever is "
    "there. Without it the change is made to whatever there is.",
    "schema": {"type": "string", "minLength": 1},
}
_TAGGED = {"ETag": {"$ref": "#/components/headers/ETag"}}


def build(routes: Sequence[DeclaredRoute], *, title: str, version: str) -> dict[str, Any]:
    """The document for these routes."""
    shown = [route for route in routes if route.include_in_schema]
    document = get_openapi(title=title, version=version, description=_ABOUT, routes=shown)
    components = document.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Error"] = {**_ERROR, "examples": [example(schemas, _ERROR)]}
    components["headers"] = _HEADERS
    components["securitySchemes"] = _SECURITY
    answers = _answer_schemas(shown, schemas)
    names = [_names(route) for route in shown]
    taken = Counter(name for several in names for name in set(several))
    for route, several in zip(shown, names, strict=True):
        operation_id = next((name for name in several if taken[name] == 1), several[-1])
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            operation["operationId"] = operation_id
            if route.declaration is not None:
                _complete(operation, route, route.declaration, answers)
                _illustrate(operation, schemas)
    return document


def _names(route: DeclaredRoute) -> tuple[str, ...]:
    """What an operation may be called, the shortest first; the last is its own alone."""
    tagged = f"{route.tags[0]}_{route.name}".lower().replace(" ", "_")
    whole = re.sub(r"[^a-z0-9]+", "_", f"{route.name}{route.path_format}".lower()).strip("_")
    return to_camel(route.name), to_camel(tagged), to_camel(whole)


def _illustrate(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """An example of each JSON body that goes in or out; that of failures stands once, at their one shape."""
    good = [answer for status, answer in operation["responses"].items() if status < "300"]
    for body in (operation.get("requestBody", {}), *good):
        told = body.get("content", {}).get("application/json")
        if told is not None and told.get("schema"):
            told["example"] = example(schemas, told["schema"])


def _answer_schemas(routes: Sequence[DeclaredRoute], schemas: dict[str, Any]) -> Mapping[type, dict[str, Any]]:
    declared = [route.declaration for route in routes if route.declaration]
    kinds = [kind for one in declared for kind in (one.answer, *one.also.values()) if kind]
    unique = list(dict.fromkeys(kinds))
    described, components = answer_schemas(unique)
    schemas.update(components)
    return dict(zip(unique, described, strict=True))


def _complete(
    operation: dict[str, Any], route: DeclaredRoute, declaration: Declaration, answers: Mapping[type, dict[str, Any]]
) -> None:
    permission = declaration.permission
    public = isinstance(permission, Public)
    ways = ("bearer", "apiKey", *(() if declaration.passes_on or declaration.embed else ("session",)))
    operation["security"] = [] if public else [{way: []} for way in ways]
    if declaration.step_up:
        operation["x-step-up"] = True
    if declaration.embed:
        operation["x-embed"] = True
    operation["x-permission"] = None if public else permission.name
    operation["x-rate-limit"] = {
        "class": declaration.limit,
        "perMinute": LIMITS[declaration.limit],
        "countedBy": "address" if declaration.limit in BY_ADDRESS else "principal",
    }
    _describe_request(operation, route, declaration)
    if declaration.deprecated is not None:
        told = declaration.deprecated.told
        operation["description"] = "\n\n".join(filter(None, (operation.get("description"), told)))
        operation["x-sunset"] = declaration.deprecated.sunset.isoformat()
    if declaration.streamed:
        operation["x-streamed"] = True
    success = str(route.status_code or 200)
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)
    _describe_success(responses[success], success, declaration, answers)
    responses |= {str(other): _also(other, kind, declaration, answers) for other, kind in declaration.also.items()}
    for status, response in responses.items():
        response["headers"] = dict(_ON_EVERY)
        if status == success and "etag" in getattr(declaration.answer, "__struct_fields__", ()):
            response["headers"] |= _TAGGED
        if status >= "400" and declaration.media_type == "text/html":
            # whoever passes here in a browser is told on a page
            response["content"]["text/html"] = {"schema": {"type": "string"}}
        if status in {"429", "503"}:
            response["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
        if declaration.deprecated is not None:
            response["headers"] |= _ON_DEPRECATED


def _describe_request(operation: dict[str, Any], route: DeclaredRoute, declaration: Declaration) -> None:
    """What every parameter is for, and the body that the endpoint reads by itself."""
    if declaration.raw_body:
        content = {media: {"schema": schema} for media, schema in declaration.raw_body.items()}
        operation["requestBody"] = {"required": not declaration.passes_on, "content": content}
    parameters = [described(one, route.path_format) for one in operation.get("parameters", ())]
    if "POST" in (route.methods or ()) and not (isinstance(declaration.permission, Public) or declaration.passes_on):
        parameters.append(_IDEMPOTENCY)
    if declaration.if_changed is not None:
        parameters.append(_IF_MATCH)
    if parameters:
        operation["parameters"] = parameters


def _also(
    status: int, kind: type[msgspec.Struct], declaration: Declaration, answers: Mapping[type, dict[str, Any]]
) -> dict[str, Any]:
    """Another success than the usual one."""
    told: dict[str, Any] = {}
    _describe_success(told, str(status), replace(declaration, answer=kind, secret_fields=()), answers)
    return told | {"description": (kind.__doc__ or "").strip().split("\n\n")[0]}


def _describe_success(
    response: dict[str, Any], status: str, declaration: Declaration, answers: Mapping[type, dict[str, Any]]
) -> None:
    response["description"] = "Success"
    if status in _BODILESS:
        response.pop("content", None)
        return
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    if declaration.answer is not None:
        schema = answers[declaration.answer]
    if declaration.stream:
        schema = _STREAM
    elif declaration.media_type != "application/json":
        schema = {"type": "string"}
    if declaration.secret_fields:
        schema = {"anyOf": [schema, _REPEATED]}
    if not schema:
        response.pop("content", None)
        return
    if declaration.envelope:
        schema = _enveloped(schema)
    response["content"] = {declaration.media_type: {"schema": schema}}


def _enveloped(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["success", "data", "timestamp", "requestId"],
        "properties": {
            "success": {"const": True},
            "data": schema,
            "timestamp": {"type": "string", "format": "date-time"},
            "requestId": {"type": "string"},
        },
    }
