"""From an endpoint and the caller's parameters to a call; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from isthmus.client.errors import InvalidRequest
from isthmus.client.rest.endpoint import APIEndpoint
from isthmus.client.url import Scalar, text_of

_HOLE = re.compile(r"\{(\w+)\}", re.ASCII)


@dataclass(slots=True)
class Rendered:
    """What is sent."""

    path: str
    query: dict[str, Scalar] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, object] = field(default_factory=dict)


def render(endpoint: APIEndpoint, given: Mapping[str, object]) -> Rendered:
    """Fill the endpoint. Raises InvalidRequest for parameters that are missing, unknown or of the wrong kind."""
    known = {param.name for param in endpoint.params}
    unknown = sorted(set(given) - known)
    if unknown:
        raise InvalidRequest(f"endpoint {endpoint.id} has no parameter {', '.join(unknown)}")
    holes: dict[str, str] = {}
    made = Rendered(endpoint.path, headers=dict(endpoint.headers))
    for param in endpoint.params:
        value = given.get(param.name, param.value)
        if value is None:
            if param.required or param.where == "path":
                raise InvalidRequest(f"endpoint {endpoint.id} needs the parameter {param.name}")
            continue
        if param.where == "body":
            _put(made.body, param.target.split("."), value)
            continue
        if not isinstance(value, str | int | float):
            raise InvalidRequest(f"the parameter {param.name} must be a plain value")
        if param.where == "path":
            holes[param.target] = text_of(value)
        elif param.where == "header":
            made.headers[param.target] = text_of(value)
        else:
            made.query[param.target] = value
    made.path = _HOLE.sub(lambda hole: _filled(endpoint, holes, hole[1]), endpoint.path)
    return made


def _filled(endpoint: APIEndpoint, holes: Mapping[str, str], name: str) -> str:
    value = holes.get(name)
    # A value fills one segment and no more: slashes are encoded, dot segments refused.
    if not value or value in {".", ".."}:
        raise InvalidRequest(f"endpoint {endpoint.id} needs a usable path parameter {name}")
    return quote(value, safe="")


def _put(body: dict[str, object], path: list[str], value: object) -> None:
    for part in path[:-1]:
        inner = body.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InvalidRequest(f"two body parameters share {part}")
        body = inner
    body[path[-1]] = value
