"""Pagination as async iteration that always ends: by page, offset, cursor, token, next URL or Link header.

A walk stops with PagesRefused when a page repeats, when it has more pages than `max_pages`, or when a link leaves
the host (security.md SS-13, SS-14).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Unpack

from isthmus.client.errors import InvalidRequest, PagesRefused
from isthmus.client.message import Response
from isthmus.client.options import CallOptions
from isthmus.client.paths import dig, records
from isthmus.client.url import Scalar, resolve

_MAX_LINK = 16_384


@dataclass(frozen=True, slots=True)
class Step:
    """Which page: parameters to add, or a whole URL to go to."""

    query: Mapping[str, Scalar] = field(default_factory=dict)
    url: str | None = None


class Paging(Protocol):
    """How an API numbers its pages. Pure: it only reads what has come."""

    def first(self) -> Step:
        """The first page."""
        ...

    def after(self, step: Step, response: Response, items: list[object], /) -> Step | None:
        """The page after this one, or None at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumber:
    """`?page=2&per_page=50`; ends at a page with fewer than `size` items, or at the page count at `total_pages`."""

    param: str = "page"
    size_param: str | None = None
    size: int = 50
    start: int = 1
    total_pages: str | None = None

    def first(self) -> Step:
        return self._step(self.start)

    def _step(self, number: int) -> Step:
        query: dict[str, Scalar] = {self.param: number}
        if self.size_param:
            query[self.size_param] = self.size
        return Step(query)

    def after(self, step: Step, response: Response, items: list[object]) -> Step | None:
        number = int(str(step.query[self.param]))
        if self.total_pages is not None:
            total = dig(response.json(), self.total_pages)
            if isinstance(total, int):
                return self._step(number + 1) if number + 1 < self.start + total else None
        return self._step(number + 1) if len(items) >= self.size else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """`?offset=100&limit=50`; ends at a short page, or at the count at `total`."""

    param: str = "offset"
    limit_param: str = "limit"
    limit: int = 50
    total: str | None = None

    def first(self) -> Step:
        return Step({self.param: 0, self.limit_param: self.limit})

    def after(self, step: Step, response: Response, items: list[object]) -> Step | None:
        offset = int(str(step.query[self.param])) + len(items)
        total = dig(response.json(), self.total) if self.total is not None else None
        done = offset >= total if isinstance(total, int) else len(items) < self.limit
        if done or not items:
            return None
        return Step({self.param: offset, self.limit_param: self.limit})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A cursor or token at `path` goes into `param`; ends when it is empty, or when `more` is false."""

    param: str = "cursor"
    path: str = "next_cursor"
    more: str | None = None
    start: Mapping[str, Scalar] = field(default_factory=dict)

    def first(self) -> Step:
        return Step(dict(self.start))

    def after(self, _step: Step, response: Response, _items: list[object], /) -> Step | None:
        body = response.json()
        if self.more is not None and not dig(body, self.more):
            return None
        token = dig(body, self.path)
        if token is None or token == "" or isinstance(token, bool | list | dict):
            return None
        kept = {name: value for name, value in self.start.items() if name != self.param}
        return Step({**kept, self.param: str(token)})


@dataclass(frozen=True, slots=True, kw_only=True)
class NextUrl:
    """The whole URL of the next page at `path` in the body."""

    path: str = "next"

    def first(self) -> Step:
        return Step()

    def after(self, _step: Step, response: Response, _items: list[object], /) -> Step | None:
        link = dig(response.json(), self.path)
        return Step(url=link) if isinstance(link, str) and link else None


@dataclass(frozen=True, slots=True)
class LinkHeader:
    """`Link: <...>; rel="next"` (RFC 8288)."""

    def first(self) -> Step:
        return Step()

    def after(self, _step: Step, response: Response, _items: list[object], /) -> Step | None:
        link = link_next(response.headers.get("Link", ""))
        return Step(url=link) if link else None


@dataclass(frozen=True, slots=True)
class SinglePage:
    """Everything comes at once."""

    def first(self) -> Step:
        return Step()

    def after(self, _step: Step, _response: Response, _items: list[object], /) -> Step | None:
        return None


def link_next(header: str) -> str | None:
    """The target of the link whose relation is `next`."""
    for part in header[:_MAX_LINK].split(","):
        target, _, parameters = part.strip().partition(";")
        for parameter in parameters.split(";"):
            name, _, value = parameter.strip().partition("=")
            if name.lower() == "rel" and "next" in value.strip('" ').lower().split():
                return target.strip().removeprefix("<").removesuffix(">")
    return None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a walk."""

    number: int
    items: list[object]
    response: Response
    step: Step


class Caller(Protocol):
    """What a walk calls."""

    async def request(self, method: str, url: str, **options: Unpack[CallOptions]) -> Response: ...


@dataclass(slots=True, kw_only=True)
class Walk:
    """One walk over all pages of `url`.

    items: path of the records in the body, or a function of the response. max_pages: after so many the walk is
    refused. start: the step to resume at.
    """

    caller: Caller
    url: str
    paging: Paging
    items: str | Callable[[Response], list[object]] = ""
    method: str = "GET"
    max_pages: int = 10_000
    start: Step | None = None
    options: CallOptions = field(default_factory=CallOptions)

    async def pages(self) -> AsyncIterator[Page]:
        """The pages in their order. Raises PagesRefused and what the calls raise."""
        seen_steps: set[object] = set()
        last_digest = b""
        step: Step | None = self.start or self.paging.first()
        number = 0
        while step is not None:
            number += 1
            if number > self.max_pages:
                raise PagesRefused(f"more than {self.max_pages} pages")
            key = (step.url, tuple(sorted((name, str(value)) for name, value in step.query.items())))
            if key in seen_steps:
                raise PagesRefused(f"page {number} asks for a page that was already read")
            seen_steps.add(key)
            response = await self._read(step)
            items = self._items(response)
            digest = hashlib.blake2b(response.content, digest_size=16).digest() if items else b""
            if digest and digest == last_digest:
                raise PagesRefused(f"page {number} repeats the page before it")
            last_digest = digest
            following = self._following(step, response, items, number)
            yield Page(number, items, response, step)
            step = following

    async def records(self) -> AsyncIterator[object]:
        """The records of all pages."""
        async for page in self.pages():
            for item in page.items:
                yield item

    async def _read(self, step: Step) -> Response:
        options = self.options.copy()
        if step.url is not None:
            options.pop("query", None)
            return await self.caller.request(self.method, step.url, **options)
        query = options.get("query")
        if step.query:
            own = dict(query) if query else {}
            options["query"] = {**own, **step.query}
        return await self.caller.request(self.method, self.url, **options)

    def _items(self, response: Response) -> list[object]:
        if callable(self.items):
            return self.items(response)
        return records(response.json(), self.items)

    def _following(self, step: Step, response: Response, items: list[object], number: int) -> Step | None:
        following = self.paging.after(step, response, items)
        if following is None or following.url is None or response.url is None:
            return following
        try:
            target = resolve(response.url, following.url)
        except InvalidRequest as error:
            raise PagesRefused(f"page {number} links to something that is no URL") from error
        if target.origin != response.url.origin:
            raise PagesRefused(f"page {number} links to another host")
        return Step(following.query, str(target))
