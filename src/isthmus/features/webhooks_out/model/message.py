"""What leaves: the public part of an event, as JSON, the same bytes with every attempt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from isthmus.features.webhooks_out.model.meanings import explained
from isthmus.kit.events import Event

#: The type under which the log keeps a tenant's own events; their public type stands in the body.
PUBLISHED: Final = "webhook.event_published"
#: How the types begin that tenants register.
_OWN: Final = "custom."
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Message:
    """One event as receivers see it."""

    id: str
    type: str
    shape: Mapping[str, Any]

    def encoded(self) -> bytes:
        """The body of the POST."""
        return _ENCODER.encode(self.shape)


def message_of(row: Mapping[str, Any]) -> Message:
    """The message of a row of the event log: its public body and nothing of who caused it."""
    type_, data = row["type"], row["body"]
    if type_ == PUBLISHED:
        type_, data = data["type"], data["data"]
    at: datetime = row["at"]
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    shape = {"id": row["id"], "type": type_, "timestamp": stamp, "subject": row["subject"], "data": data}
    return Message(row["id"], type_, shape)


class Catalogue:
    """The public event types of all rooms; `app` makes it, because rooms do not know each other."""

    def __init__(self, kinds: Iterable[type[Event]]) -> None:
        public = {kind.type: kind for kind in kinds if kind.public}
        self._kinds = dict(sorted(public.items()))

    @property
    def types(self) -> list[str]:
        """The types that the log is read for."""
        return list(self._kinds)

    def unknown(self, types: Iterable[str]) -> str | None:
        """The first of these names and groups that no event will ever have; a tenant's own are not judged."""
        names = [name for name in self._kinds if name != PUBLISHED]
        for one in types:
            if one == "*" or one.startswith(_OWN):
                continue
            group = one.removesuffix("*") if one.endswith(".*") else None
            if not any(name.startswith(group) if group is not None else name == one for name in names):
                return one
        return None

    def described(self) -> list[tuple[str, int, str, dict[str, Any]]]:
        """Each type with its version, what it means and its JSON schema."""
        return [
            (
                name,
                kind.version,
                (kind.__doc__ or "").strip().split("\n")[0],
                schema_of(name, explained(name, kind.data)),
            )
            for name, kind in self._kinds.items()
            if name != PUBLISHED
        ]


def schema_of(type_: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema (2020-12) of a message whose `data` has these properties."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": type_,
        "type": "object",
        "required": ["id", "type", "timestamp", "subject", "data"],
        "properties": {
            "id": {"type": "string", "description": "The event's id, the same with every attempt."},
            "type": {"const": type_},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
            "subject": {"type": "string", "description": "The id of the object it is about."},
            "data": {"type": "object", "properties": dict(data)},
        },
    }
