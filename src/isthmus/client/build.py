"""From what a caller says to a call: URL, headers, body, and whether it is safe to send twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from multidict import CIMultiDict

from isthmus.client import json as _json
from isthmus.client.body import ACCEPT_ENCODING, multipart
from isthmus.client.call import Call
from isthmus.client.errors import InvalidRequest
from isthmus.client.message import Body, Request, check_headers
from isthmus.client.options import CallOptions
from isthmus.client.retry import IDEMPOTENT
from isthmus.client.transform import Transformer, apply
from isthmus.client.url import add_query, encode, join, parse
from isthmus.kit import ids
from isthmus.kit.version import VERSION

_USER_AGENT = f"isthmus/{VERSION}"


class Builder:
    """The conventions of one client.

    guarded: the client has credentials, so absolute URLs must stay on its origin or on one of `hosts`.
    """

    def __init__(
        self,
        base_url: str | None,
        headers: Mapping[str, str] | None,
        *,
        guarded: bool,
        hosts: Iterable[str],
        idempotency_header: str | None,
        max_body: int,
    ) -> None:
        self.base = parse(base_url) if base_url else None
        self._headers = CIMultiDict({"Accept": "*/*", "Accept-Encoding": ACCEPT_ENCODING, "User-Agent": _USER_AGENT})
        if headers:
            check_headers(headers)
            self._headers.update(headers)
        origins = {parse(host).origin for host in hosts}
        self._origins = (origins | {self.base.origin}) if guarded and self.base is not None else None
        self._idempotency_header = idempotency_header
        self._max_body = max_body
        self.transformers: tuple[Transformer, ...] = ()

    def call(self, method: str, target: str, options: CallOptions, started: float, deadline: float) -> Call:
        """The call. Raises InvalidRequest."""
        url = join(self.base, target)
        if self._origins is not None and url.origin not in self._origins:
            raise InvalidRequest(f"{url.origin} is not a host of this client; list it in `hosts`")
        headers = self._headers.copy()
        if not options:
            call = Call(Request(method, url, headers), started, started + deadline)
            call.idempotent = method in IDEMPOTENT
            call.max_body = self._max_body
            return call
        query = options.get("query")
        if query:
            url = add_query(url, query)
        content, content_type = self._content(options)
        if content_type is not None:
            headers["Content-Type"] = content_type
        own = options.get("headers")
        if own:
            check_headers(own)
            headers.update(own)
        call = Call(Request(method, url, headers, content), started, started + deadline)
        call.replayable = content is None or isinstance(content, bytes)
        self._say(call, options)
        return call

    def _say(self, call: Call, options: CallOptions) -> None:
        call.max_body = options.get("max_body", self._max_body)
        call.weight = options.get("weight", 1)
        call.route = options.get("route")
        call.share = options.get("share", "")
        call.redirects = options.get("redirects")
        call.tags = tuple(options.get("tags", ()))
        call.idempotent = call.request.method in IDEMPOTENT
        key = options.get("idempotency_key")
        if key is not None and self._idempotency_header is not None:
            check_headers({self._idempotency_header: key})
            call.request.headers[self._idempotency_header] = key
            call.idempotent = True
        said = options.get("idempotent")
        if said is not None:
            call.idempotent = said

    def _content(self, options: CallOptions) -> tuple[Body, str | None]:
        json, form = options.get("json"), options.get("form")
        fields, content = options.get("multipart"), options.get("content")
        given = (json is not None) + (form is not None) + (fields is not None) + (content is not None)
        if not given:
            return None, None
        if given > 1:
            raise InvalidRequest("a call has one body: json, form, multipart or content")
        if json is not None:
            return _json.dumps(apply(self.transformers, json)), "application/json"
        if form is not None:
            return encode(form).encode(), "application/x-www-form-urlencoded"
        if fields is not None:
            boundary = ids.token(128)
            return multipart(fields, boundary), f"multipart/form-data; boundary={boundary}"
        if isinstance(content, str):
            return content.encode(), "text/plain; charset=utf-8"
        return content, "application/octet-stream"
