"""What one call may say beside its method and address."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TypedDict

from isthmus.client.body import Part
from isthmus.client.url import Query, Scalar


class CallOptions(TypedDict, total=False):
    """What one call may say.

    query: parameters. json, form, multipart, content: the body, at most one of them; content is bytes, text or an async
    iterable of bytes, as `Measured` one whose length is told. headers: added to the client's. deadline: total seconds,
    attempts and waits included. idempotency_key: sent in the client's idempotency header, which makes a POST safe to
    send again. idempotent: overrides what the method says about that. weight: how many permits the call takes. route:
    the name of the endpoint for breaker, limits and metrics. share: whose turn it is in a queue shared by several.
    tags: names by which a cached reply can be invalidated. max_body: bytes, instead of the client's. redirects: hops
    followed, instead of the client's; none gives the redirect itself back.
    """

    query: Query | None
    json: object
    form: Query | None
    multipart: Mapping[str, Scalar | bytes | Part] | None
    content: bytes | str | AsyncIterable[bytes] | None
    headers: Mapping[str, str] | None
    deadline: float | None
    idempotency_key: str | None
    idempotent: bool | None
    weight: int
    route: str | None
    share: str
    tags: Iterable[str]
    max_body: int
    redirects: int
