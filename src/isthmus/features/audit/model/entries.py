"""What the audit log shows, what it can be asked for, and what it never shows (security.md AU-06; pure)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isthmus.kit import ids
from isthmus.kit.errors import Invalid

_SECRET = re.compile(r"(token|secret|passw|passphrase|credential|private_?key|api_?key|partner_?key)", re.IGNORECASE)
_MASK = "***"
_TEXT_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change by a person, a key or an operator."""

    id: str
    type: str
    at: datetime
    actor: str
    #: Whose rights the actor used: the maker of a key, the operator inside a tenant.
    on_behalf_of: str
    address: str
    request_id: str
    #: The method and template of the route, where a request was the cause.
    route: str
    subject: str
    body: Mapping[str, Any]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to look for; `starts` is included, `ends` is not."""

    type: str | None = None
    actor: str | None = None
    subject: str | None = None
    starts: datetime | None = None
    ends: datetime | None = None
    #: Part of the type, the actor, the subject, the address, the request's id or the name, in any case.
    text: str | None = None


def check(filters: Filters) -> Filters:
    """The same filters. Raises Invalid when they cannot be meant."""
    for name, value in (
        ("type", filters.type),
        ("actor", filters.actor),
        ("subject", filters.subject),
        ("search", filters.text),
    ):
        if value is not None and (not value or len(value) > _TEXT_LIMIT):
            raise Invalid.field(name, f"Between 1 and {_TEXT_LIMIT} characters.")
    for name, time in (("from", filters.starts), ("to", filters.ends)):
        if time is not None and time.tzinfo is None:
            raise Invalid.field(name, "A time needs its offset from UTC, such as Z.")
    if filters.starts and filters.ends and filters.starts >= filters.ends:
        raise Invalid.field("to", "The end must be later than the start.")
    return filters


def check_place(after: str | None) -> str | None:
    """The keyset place of a page: an event id. Raises Invalid."""
    if after is not None and not ids.is_id(after, "evt"):
        raise Invalid.field("cursor", "This is not a place in the audit log.")
    return after


def masked(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with everything hidden whose name says that it is a secret; emitters must not rely on it."""
    if isinstance(value, Mapping):
        return {name: _MASK if _hides(name, inner) else masked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inner) for inner in value]
    return value


def _hides(name: str, value: object) -> bool:
    return bool(_SECRET.search(name)) and isinstance(value, str | bytes)
