"""What is asked and what is answered: `Request` for policies and transports, `Response` for callers."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from multidict import CIMultiDict, CIMultiDictProxy

from isthmus.client import json as _json
from isthmus.client.errors import InvalidRequest
from isthmus.client.url import Query, Url, add_query

if TYPE_CHECKING:
    from collections.abc import MutableMapping

T = TypeVar("T")
Body = bytes | AsyncIterable[bytes] | None
Headers = CIMultiDict[str]


class Request:
    """One HTTP request as it will leave; policies return changed copies and never change it in place."""

    __slots__ = ("content", "headers", "method", "url")

    def __init__(self, method: str, url: Url, headers: CIMultiDict[str], content: Body = None) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.content = content

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.origin}{self.url.path})"

    @property
    def path(self) -> str:
        """The encoded path, as most signatures want it."""
        return self.url.path

    @property
    def body(self) -> bytes:
        """The body's bytes for a signature; empty when there is none or it is streamed."""
        return self.content if isinstance(self.content, bytes) else b""

    def query(self) -> list[tuple[str, str]]:
        """The parameters, decoded, in their order."""
        return self.url.pairs()

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """A copy with these headers set."""
        merged = self.headers.copy()
        merged.update(headers)
        return Request(self.method, self.url, merged, self.content)

    def with_query(self, query: Query) -> Request:
        """A copy with these parameters added."""
        return Request(self.method, add_query(self.url, query), self.headers, self.content)

    def with_url(self, url: Url) -> Request:
        """A copy that goes elsewhere."""
        return Request(self.method, url, self.headers, self.content)

    def with_content(self, content: Body, content_type: str | None = None) -> Request:
        """A copy with another body."""
        copy = Request(self.method, self.url, self.headers, content)
        return copy.with_headers({"Content-Type": content_type}) if content_type else copy


class Response:
    """A whole reply.

    `content` is the decoded bytes; `body` is what they mean (JSON as objects, other text as str, else bytes) after
    the response transformers; `duration` and `waited` are seconds; `attempts` counts requests sent for this call.
    """

    __slots__ = (
        "_body",
        "_json",
        "attempts",
        "content",
        "duration",
        "fallback",
        "from_cache",
        "headers",
        "notes",
        "request",
        "stale",
        "status",
        "transformers",
        "waited",
    )

    def __init__(
        self,
        status: int,
        headers: CIMultiDict[str] | CIMultiDictProxy[str] | Mapping[str, str],
        content: bytes = b"",
        request: Request | None = None,
    ) -> None:
        self.status = status
        self.headers: CIMultiDict[str] | CIMultiDictProxy[str] = (
            headers if isinstance(headers, CIMultiDict | CIMultiDictProxy) else CIMultiDict(headers)
        )
        self.content = content
        self.request = request
        self.duration = 0.0
        self.waited = 0.0
        self.attempts = 1
        self.from_cache = False
        #: The cached reply is older than it claims to be good for.
        self.stale = False
        #: The reply came from an alternative base URL or from the fallback function.
        self.fallback = False
        #: What transformers and adapters add, such as the cost of a GraphQL query.
        self.notes: MutableMapping[str, object] | None = None
        #: Applied to `body` when it is first looked at.
        self.transformers: tuple[Callable[[object], object], ...] = ()
        self._body: object = _UNREAD
        self._json: object = _UNREAD

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.content)} bytes, {self.attempts} attempts)"

    def copy(self) -> Response:
        """The same reply as an object of its own."""
        twin = Response(self.status, self.headers, self.content, self.request)
        twin.duration, twin.waited, twin.attempts = self.duration, self.waited, self.attempts
        twin.from_cache, twin.stale, twin.fallback = self.from_cache, self.stale, self.fallback
        twin.notes, twin.transformers = self.notes, self.transformers
        return twin

    @property
    def ok(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300

    @property
    def url(self) -> Url | None:
        """Where the reply came from, redirects followed."""
        return self.request.url if self.request else None

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text in the charset it declares, UTF-8 otherwise. Raises MalformedBody."""
        return _json.text(self.content, self.headers.get("Content-Type", ""))

    def json(self) -> object:
        """The body as JSON: at most 64 deep, exact integers, no NaN. Raises MalformedBody (security.md PA-01).

        It is read once: judges, pages and callers share one object.
        """
        if self._json is _UNREAD:
            self._json = _json.loads(self.content, self.content_type)
        return self._json

    def decode(self, model: type[T]) -> T:
        """The body as a msgspec Struct, dataclass, pydantic model or plain type. Raises MalformedBody."""
        return _json.decode(self.content, model, self.content_type)

    @property
    def body(self) -> object:
        """The meaning of the body after the response transformers. Raises MalformedBody."""
        if self._body is _UNREAD:
            value = self._read()
            for transformer in self.transformers:
                value = transformer(value)
            self._body = value
        return self._body

    @body.setter
    def body(self, value: object) -> None:
        self._body = value

    def _read(self) -> object:
        kind = self.content_type
        if not self.content:
            return None
        if kind.endswith(("json", "+json")):
            return self.json()
        return self.text if kind.startswith("text/") or kind.endswith("xml") else self.content

    def part(self, name: str) -> dict[str, object]:
        """A JSON object inside the JSON body, or an empty one. Raises MalformedBody if the body is no object."""
        return _json.mapping(_json.mapping(self.json()).get(name) or {})


_UNREAD = object()


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse line breaks, NUL and outer spaces, whatever the transport would do (security.md SS-11)."""
    for name, value in headers.items():
        if not name or not name.isascii() or not name.replace("-", "a").replace("_", "a").replace(".", "a").isalnum():
            raise InvalidRequest("the name of a header is not valid")
        if value != value.strip() or "\r" in value or "\n" in value or "\x00" in value:
            raise InvalidRequest(f"the value of header {name} holds a line break, NUL or outer space")
