"""One request and one answer as the emulated platforms see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from isthmus.sandbox.recording import Record

JSON = "application/json"
HTML = "text/html; charset=utf-8"
#: Larger bodies are refused with 413; no call of the reference's read side comes near.
BODY_LIMIT = 1 << 20


@dataclass(slots=True)
class Reply:
    """What goes back: status, body and headers beside the content type."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer in JSON."""
    return Reply(msgspec.json.encode(value), status, JSON, dict(headers or {}))


def redirect(location: str) -> Reply:
    """Send the browser elsewhere."""
    return Reply(b"", 302, HTML, {"location": location})


class Refusal(Exception):
    """A rule of the platform was broken: `rule` names it in the recording, `reply` goes to the caller."""

    def __init__(self, reply: Reply, rule: str) -> None:
        super().__init__(rule)
        self.reply = reply
        self.rule = rule


class Call:
    """A request in the hands of a platform: its parameters, and the record that its verdict is written to."""

    __slots__ = ("_form", "body", "headers", "loses", "method", "params", "path", "query", "record", "reordered")

    def __init__(self, request: Request, body: bytes, record: Record) -> None:
        self.method = request.method
        self.path = request.url.path
        self.headers: Mapping[str, str] = request.headers
        self.query: list[tuple[str, str]] = request.query_params.multi_items()
        self.body = body
        self.record = record
        self.params: dict[str, str] = {}
        self.reordered = False
        self.loses = False
        self._form: list[tuple[str, str]] | None = None

    def one(self, name: str) -> str | None:
        """The last value of a query parameter."""
        found = None
        for key, value in self.query:
            if key == name:
                found = value
        return found

    def all(self, name: str) -> list[str]:
        """Every value of a query parameter: repeated keys and comma lists alike."""
        return [part.strip() for key, value in self.query if key == name for part in value.split(",") if part.strip()]

    @property
    def form(self) -> list[tuple[str, str]]:
        """The fields of a form body, empty for other bodies."""
        if self._form is None:
            kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            text = self.body.decode("utf-8", "replace") if kind == "application/x-www-form-urlencoded" else ""
            self._form = parse_qsl(text, keep_blank_values=True)
        return self._form

    def field(self, name: str) -> str | None:
        """The last value of a form field."""
        return dict(self.form).get(name)

    def json(self) -> dict[str, object]:
        """The body as a JSON object; an empty one where it is none."""
        try:
            value: object = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return {}
        return value if isinstance(value, dict) else {}

    def arranged(self, ids: list[int]) -> list[int]:
        """The list in its stable order; turned by one place by the fault `reorder`, its end cut off by `lose`."""
        if self.loses:
            return ids[: -max(1, len(ids) // 5)]
        return ids[-1:] + ids[:-1] if self.reordered else ids
