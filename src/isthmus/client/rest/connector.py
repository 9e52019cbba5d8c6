"""Runs declared endpoints through the pipeline: single calls, whole walks, and incremental reads with a state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from isthmus.client.client import ApiClient
from isthmus.client.errors import InvalidRequest
from isthmus.client.limiter import Limiter
from isthmus.client.limits import RateLimit
from isthmus.client.message import Response
from isthmus.client.options import CallOptions
from isthmus.client.pages import Paging, SinglePage, Walk
from isthmus.client.paths import records
from isthmus.client.pipeline import Gate
from isthmus.client.rest import cursor as cursors
from isthmus.client.rest.endpoint import APIEndpoint
from isthmus.client.rest.render import Rendered, render
from isthmus.client.rest.rules import ignored, judge_of
from isthmus.client.transport.aio import AioTransport


class RestConnector:
    """An API made of endpoints.

    base_url: as for `ApiClient`. endpoints: what it offers, as `APIEndpoint` or plain data. options: those of
    `ApiClient`; a `classify` of your own is asked before the error rules of the endpoints.
    """

    def __init__(
        self,
        base_url: str,
        endpoints: Iterable[APIEndpoint | Mapping[str, object]],
        **options: Any,  # noqa: ANN401 - ApiClient's
    ) -> None:
        self._own = None if "transport" in options else AioTransport(guard=options.get("guard"))
        self._options = {"transport": self._own, **options}
        self._gates = _listed(options.get("rate_limit"))
        self._options["rate_limit"] = self._gates or None
        made = (one if isinstance(one, APIEndpoint) else APIEndpoint.of(one) for one in endpoints)
        self.endpoints = {one.id: one for one in made}
        self._clients = {id_: self._client(base_url, one) for id_, one in self.endpoints.items()}
        #: How far each incremental endpoint has been read; keep it and give it back to `read`.
        self.state: dict[str, str] = {}

    def _client(self, base_url: str, endpoint: APIEndpoint) -> ApiClient:
        options = dict(self._options)
        if endpoint.auth.type == "none":
            options["auth"] = None
        given, rules = options.get("classify"), judge_of(endpoint)
        options["classify"] = rules if given is None else lambda response: given(response) or rules(response)
        rate = endpoint.call_rate
        if rate is not None:
            limit = RateLimit(max_requests=rate.max_requests, window=rate.window, strategy=rate.strategy)
            options["rate_limit"] = [*self._gates, Limiter(limit)]
        return ApiClient(base_url, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close what was opened here."""
        for client in self._clients.values():
            await client.aclose()
        if self._own is not None:
            await self._own.aclose()

    async def call(self, endpoint: str, **params: object) -> Response:
        """One call of an endpoint. Raises InvalidRequest for parameters that do not fit."""
        declared = self._declared(endpoint)
        made = render(declared, params)
        options = _options(declared, made)
        if made.query:
            options["query"] = dict(made.query)
        return await self._clients[endpoint].request(declared.method, made.path, **options)

    async def read(self, endpoint: str, *, state: str | None = None, **params: object) -> AsyncIterator[object]:
        """All records of an endpoint, or those since `state` if it is incremental.

        `self.state[endpoint]` grows when a window has been read to its end, never before.
        """
        declared = self._declared(endpoint)
        made = render(declared, params)
        cursor = declared.incremental
        if cursor is None:
            async for record in self._walk(declared, made, {}):
                yield record
            return
        state = state if state is not None else self.state.get(endpoint)
        for window in cursors.windows(cursor, state, self._clients[endpoint].clock.now()):
            highest = None
            async for record in self._walk(declared, made, cursors.parameters(cursor, window)):
                moment = cursors.reached(cursor, record)
                if moment is not None and moment <= window.end and (highest is None or moment > highest):
                    highest = moment
                yield record
            if highest is not None:
                grown = cursors.state_of(highest)
                state = max(state, grown) if state is not None else grown
                self.state[endpoint] = state

    async def _walk(self, declared: APIEndpoint, made: Rendered, extra: Mapping[str, Any]) -> AsyncIterator[object]:
        options = _options(declared, made)
        query = {**made.query, **extra}
        if query:
            options["query"] = query
        paging: Paging = declared.pagination.paging() if declared.pagination is not None else SinglePage()
        walk = Walk(
            caller=self._clients[declared.id],
            url=made.path,
            paging=paging,
            items=lambda response: (
                [] if ignored(declared, response) else records(response.json(), declared.record_path)
            ),
            method=declared.method,
            max_pages=declared.max_pages,
            options=options,
        )
        async for record in walk.records():
            yield record

    def _declared(self, endpoint: str) -> APIEndpoint:
        found = self.endpoints.get(endpoint)
        if found is None:
            raise InvalidRequest(f"there is no endpoint {endpoint}")
        return found


def _options(declared: APIEndpoint, made: Rendered) -> CallOptions:
    options: CallOptions = {"route": declared.id}
    if made.headers:
        options["headers"] = made.headers
    if made.body:
        options["json"] = made.body
    return options


def _listed(limits: object) -> list[Gate | Limiter]:
    if limits is None:
        return []
    if isinstance(limits, RateLimit):
        return [Limiter(limits)]
    if isinstance(limits, Gate | Limiter):
        return [limits]
    return [one for one in limits if isinstance(one, Gate | Limiter)] if isinstance(limits, list | tuple) else []
