"""A connector's session as the platform binds it, with tokens that live in memory only."""

from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from datetime import datetime

from isthmus.client import ApiClient, Gate, Limiter, MemoryTokenStore, OAuth2, RateLimit, Request, Response, Tokens
from isthmus.connect.manifest import Manifest
from isthmus.connect.registry import Found
from isthmus.connect.spi import App, Connector, Granted, Session
from isthmus.kit.clock import Clock


class _Keys:
    """Keys of a merchant, attached as they are to each call; nothing renews them."""

    identity = "conformance"

    def __init__(self, connector: Connector, app: App, granted: Granted) -> None:
        self._connector, self._app, self._granted = connector, app, granted

    def flow(self, request: Request, now: datetime) -> Generator[Request, Response, None]:
        yield self._connector.attach(self._app, self._granted.account, request, self._granted.tokens, now)


@asynccontextmanager
async def bound(found: Found, app: App, granted: Granted, clock: Clock) -> AsyncIterator[Session]:
    """Bound to the app's hosts and to no other, within the manifest's limits, refreshing by itself."""
    connector, account = _behaviour(found), granted.account
    plain = ApiClient(classify=connector.classify, breaker=None, clock=clock)

    async def refresh(tokens: Tokens) -> Tokens:
        return await connector.refresh(app, account, tokens, plain, clock)

    def attach(request: Request, tokens: Tokens, now: datetime) -> Request:
        return connector.attach(app, account, request, tokens, now)

    consented = found.manifest.auth == "oauth2"
    grant = OAuth2(MemoryTokenStore(granted.tokens, clock=clock), refresh, attach, clock=clock)
    client = ApiClient(
        next(iter(app.hosts.values())),
        auth=grant if consented else _Keys(connector, app, granted),
        rate_limit=_gates(found.manifest, clock),
        classify=connector.classify,
        hosts=app.hosts.values(),
        idempotency_header=None,
        clock=clock,
    )
    async with plain, client:
        yield Session(client, app.hosts, account, clock)


def _behaviour(found: Found) -> Connector:
    if found.connector is None:
        raise ValueError(f"{found.manifest.id} holds facts only")
    return found.connector


def _gates(manifest: Manifest, clock: Clock) -> list[Gate]:
    rules = [
        RateLimit(max_requests=one.requests, window=one.seconds, strategy="token_bucket", burst=one.burst)
        for one in manifest.limits
    ]
    return [Gate(Limiter(rule, clock=clock)) for rule in rules]
