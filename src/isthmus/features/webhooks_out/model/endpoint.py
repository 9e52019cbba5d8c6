"""What an endpoint is, what may be asked of one, and which messages it wants."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from isthmus.features.webhooks_out.errors import WrongEndpoint
from isthmus.kit.etags import etag
from isthmus.kit.secret import Secret

SHARDS: Final = 16
OPERATORS: Final = ("eq", "ne", "in", "exists", "prefix", "gt", "gte", "lt", "lte")
_TYPE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?|\*", re.ASCII)
_FIELD = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+){0,9}", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", re.ASCII)
_MOST_TYPES, _MOST_CONDITIONS, _MOST_HEADERS = 100, 20, 20
_HEADER_BYTES = 4096
#: Headers that frame, route or sign the message, or speak for the connection (security.md WH-12).
_OURS = frozenset(
    {"host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "keep-alive"}
    | {"te", "trailer", "upgrade", "expect", "proxy-authorization", "proxy-connection", "proxy-authenticate"}
    | {"accept-encoding", "user-agent", "cookie", "forwarded", "via"}
)
_OUR_PREFIXES = ("webhook-", "isthmus-", "x-forwarded-", "proxy-", "sec-")


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of one field of the message, such as `data.provider eq "shelf"`."""

    field: str
    operator: str
    value: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody wants an endpoint to be."""

    url: str
    description: str = ""
    types: Sequence[str] = ()
    conditions: Sequence[Condition] = ()
    rate: int = 0
    concurrency: int = 10
    ordered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A tenant's address for messages. `types` empty: all. `rate`: messages a second, 0 for no limit."""

    tenant_id: str
    id: str
    url: str
    description: str
    types: Sequence[str]
    conditions: Sequence[Condition]
    scheme: str
    public_key: str | None
    secret_version: int
    previous_until: datetime | None
    header_names: Sequence[str]
    rate: int
    concurrency: int
    ordered: bool
    state: str
    state_reason: str | None
    health: str
    failures: int
    first_failure_at: datetime | None
    last_failure_at: datetime | None
    last_success_at: datetime | None
    last_error: str | None
    latency_ms: float
    delivered: int
    failed: int
    version: int
    created_at: datetime
    updated_at: datetime
    secret: bytes = field(repr=False)
    previous_secret: bytes | None = field(repr=False, default=None)
    headers: bytes | None = field(repr=False, default=None)
    head: int | None = None
    maker: str = ""

    @property
    def etag(self) -> str:
        """Stands for what can be changed of it, its headers and secret too; how it fares is no change."""
        return etag(self.id, self.updated_at, self.state)

    @property
    def single(self) -> bool:
        """Whether only one delivery at a time may be planned."""
        return self.ordered or self.health == "parked"


def shard_of(endpoint_id: str) -> int:
    """Which shard's owner delivers to the endpoint."""
    return zlib.crc32(endpoint_id.encode()) % SHARDS


def check_draft(draft: Draft) -> Draft:
    """The same draft. Raises WrongEndpoint naming the field that cannot be meant."""
    if len(draft.description) > 500:
        raise WrongEndpoint.field("description", "At most 500 characters.")
    if len(draft.types) > _MOST_TYPES or not all(len(one) <= 100 and _TYPE.fullmatch(one) for one in draft.types):
        raise WrongEndpoint.field("types", "At most 100 names of event types; `group.*` means all of a group.")
    if not 0 <= draft.rate <= 10_000:
        raise WrongEndpoint.field("rate", "Between 0 (no limit) and 10000 messages a second.")
    if not 1 <= draft.concurrency <= 100:
        raise WrongEndpoint.field("concurrency", "Between 1 and 100.")
    if len(draft.conditions) > _MOST_CONDITIONS:
        raise WrongEndpoint.field("conditions", f"At most {_MOST_CONDITIONS} conditions.")
    for number, condition in enumerate(draft.conditions):
        _check_condition(f"conditions.{number}", condition)
    return draft


def _check_condition(path: str, condition: Condition) -> None:
    if not _FIELD.fullmatch(condition.field):
        raise WrongEndpoint.field(f"{path}.field", "Names joined by dots, such as data.provider.")
    if condition.operator not in OPERATORS:
        raise WrongEndpoint.field(f"{path}.operator", f"One of {', '.join(OPERATORS)}.")
    if condition.operator == "in" and not (isinstance(condition.value, list) and len(condition.value) <= 100):
        raise WrongEndpoint.field(f"{path}.value", "A list of at most 100 values.")
    if len(repr(condition.value)) > 2000:
        raise WrongEndpoint.field(f"{path}.value", "The value is too long.")


def check_headers(headers: Mapping[str, Secret]) -> Mapping[str, Secret]:
    """The same headers. Raises WrongEndpoint for those that are ours to set (security.md WH-12, SS-11)."""
    if len(headers) > _MOST_HEADERS or sum(len(one.reveal()) for one in headers.values()) > _HEADER_BYTES:
        raise WrongEndpoint.field("headers", f"At most {_MOST_HEADERS} headers and {_HEADER_BYTES} bytes.")
    for name, value in headers.items():
        low, text = name.lower(), value.reveal()
        if not _HEADER.fullmatch(name) or low in _OURS or low.startswith(_OUR_PREFIXES):
            raise WrongEndpoint.field("headers", "A header of this name cannot be set.")
        if not text.isascii() or not text.isprintable() or text != text.strip():
            raise WrongEndpoint.field("headers", "A value is printable ASCII without outer spaces.")
    return headers


def matches(types: Sequence[str], conditions: Sequence[Condition], type_: str, message: Mapping[str, Any]) -> bool:
    """Whether an endpoint with these filters wants the message."""
    if types and not any(_covers(one, type_) for one in types):
        return False
    return all(_holds(condition, message) for condition in conditions)


def _covers(pattern: str, type_: str) -> bool:
    if pattern == "*":
        return True
    return type_.startswith(pattern[:-1]) if pattern.endswith(".*") else type_ == pattern


_MISSING = object()


def _holds(condition: Condition, message: Mapping[str, Any]) -> bool:
    found: Any = message
    for name in condition.field.split("."):
        found = found.get(name, _MISSING) if isinstance(found, Mapping) else _MISSING
    operator, value = condition.operator, condition.value
    if operator == "exists":
        return (found is not _MISSING) is (value is not False)
    if operator == "ne":
        return found is _MISSING or not _same(found, value)
    if found is _MISSING:
        return False
    if operator == "eq":
        return _same(found, value)
    if operator == "in":
        return any(_same(found, one) for one in value)
    if operator == "prefix":
        return isinstance(found, str) and isinstance(value, str) and found.startswith(value)
    return _compared(operator, found, value)


def _same(found: object, value: object) -> bool:
    return isinstance(found, bool) == isinstance(value, bool) and found == value


def _compared(operator: str, found: Any, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (found, value))
    if not numbers and not (isinstance(found, str) and isinstance(value, str)):
        return False
    above, equal = bool(found > value), bool(found == value)
    return {"gt": above, "gte": above or equal, "lt": not (above or equal), "lte": not above}[operator]
