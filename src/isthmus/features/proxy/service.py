"""A caller's own call to a platform, with the connection's credentials, within its budget, and to its hosts alone."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from isthmus.client import (
    AddressRefused,
    BreakerOpen,
    CallOptions,
    ClientError,
    DeadlineExceeded,
    InvalidRequest,
    PlatformError,
    RateLimited,
    ReauthorizationRequired,
    RefreshUnavailable,
    Response,
    TokenRejected,
    TooLarge,
)
from isthmus.client.url import Url, resolve
from isthmus.connect.spi import Session
from isthmus.engine.presence import Presence
from isthmus.features import connections
from isthmus.features.connections import Connection
from isthmus.features.proxy import model
from isthmus.features.proxy.errors import (
    FarSideBusy,
    FarSideLate,
    FarSideUnreachable,
    GrantEnded,
    PathForbidden,
    PathUnclear,
    ProxyDisabled,
    ProxyWalled,
    TooManyCalls,
    TooManyConnections,
)
from isthmus.features.proxy.settings import Settings
from isthmus.kit.errors import Problem
from isthmus.kit.permissions import Permission
from isthmus.scope import Scope

_ROUTE = "proxy"
_OWN = "/api/proxy"
_RETRY_SECONDS = 5.0
#: What is known goes on for so long whatever the event log tells; a busy log must not make each call look again.
_SOON = 0.5
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """What the caller sent on: `target` is the path at the platform with its query, both as they were encoded."""

    method: str
    target: str
    headers: Sequence[model.Header]
    body: bytes | AsyncIterable[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the platform said; the pieces come as they arrive, and `length` is known where it said so."""

    status: int
    headers: Sequence[model.Header]
    length: int | None
    pieces: AsyncIterable[bytes]


@dataclass(slots=True)
class _Line:
    """A connection that was looked at a moment ago, and its client."""

    session: Session
    held: AsyncExitStack
    #: When it was looked at, by the monotonic clock.
    seen: float
    users: int = 0
    retired: bool = False

    async def done(self) -> None:
        """One user fewer; the last one of a retired line gives the client back."""
        self.users -= 1
        if self.retired and not self.users:
            await self.held.aclose()

    async def retire(self) -> None:
        """Nobody new takes it."""
        self.retired = True
        if not self.users:
            await self.held.aclose()


class Lines:
    """The connections that this process keeps ready for calls; `app.py` makes one and closes it at the end.

    What is known of a connection, and that this very caller may use it, is read anew every few seconds, and half a
    second after the event log told of anything: a revocation, a switch or a change of owner counts in every process
    within the former time, where processes hear of events within the latter, and most calls cost the database nothing.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lines: OrderedDict[_Key, _Line] = OrderedDict()
        self._opening: dict[_Key, asyncio.Task[_Line]] = {}
        self._ear = ExitStack()
        self._bell: asyncio.Event | None = None
        self._heard = 0.0
        self._busy: Counter[str] = Counter()

    @contextmanager
    def turn(self, tenant_id: str) -> Iterator[None]:
        """One of the calls that a tenant may have under way here: what never answers holds connections that all share.

        Raises TooManyCalls.
        """
        most = self._settings.at_once
        if self._busy[tenant_id] >= most:
            raise TooManyCalls(details={"limit": most}, retry_after=1)
        self._busy[tenant_id] += 1
        try:
            yield
        finally:
            self._busy[tenant_id] -= 1
            if not self._busy[tenant_id]:
                del self._busy[tenant_id]

    def counts(self) -> Mapping[str, int]:
        """How many calls each tenant has under way."""
        return self._busy

    @asynccontextmanager
    async def line(self, scope: Scope, connection_id: str) -> AsyncIterator[Session]:
        """A ready connection. Raises what `connections.session` raises, ProxyDisabled and ProxyWalled."""
        key = (scope.tenant_id, scope.principal.id, connection_id)
        line = self._lines.get(key)
        if line is None or not self._is_fresh(line, scope):
            line = await self._opened(scope, key)
        line.users += 1
        try:
            yield line.session
        finally:
            await line.done()

    def _is_fresh(self, line: _Line, scope: Scope) -> bool:
        now = scope.clock.monotonic()
        if self._bell is None:
            self._bell = self._ear.enter_context(scope.engine.bus.heard())
        if self._bell.is_set():
            self._bell.clear()
            self._heard = now
        age = now - line.seen
        return age < _SOON or (line.seen >= self._heard and age < self._settings.recheck.total_seconds())

    async def aclose(self) -> None:
        """Give every client back."""
        self._ear.close()
        self._bell = None
        lines, self._lines = self._lines, OrderedDict()
        for line in lines.values():
            await line.retire()

    async def _opened(self, scope: Scope, key: _Key) -> _Line:
        """Look at a connection once, however many calls wait for it."""
        task = self._opening.get(key)
        if task is None:
            task = self._opening[key] = asyncio.create_task(self._open(scope, key), name="proxy line")
            task.add_done_callback(lambda _: self._opening.pop(key, None))
        return await asyncio.shield(task)

    async def _open(self, scope: Scope, key: _Key) -> _Line:
        held = AsyncExitStack()
        seen = scope.clock.monotonic()
        try:
            connection = await connections.connection(scope, key[2])
            _check(connection)
            session = await held.enter_async_context(connections.session(scope, key[2]))
        except BaseException:
            await held.aclose()
            await self._drop(key)
            raise
        made = _Line(session, held, seen)
        await self._drop(key)
        self._lines[key] = made
        while len(self._lines) > self._settings.kept:
            await self._lines.popitem(last=False)[1].retire()
        return made

    async def _drop(self, key: _Key) -> None:
        line = self._lines.pop(key, None)
        if line is not None:
            await line.retire()


def _check(connection: Connection) -> None:
    if not connection.proxy_enabled:
        raise ProxyDisabled
    if connection.allowed_types:
        raise ProxyWalled


async def calls_under_way(scope: Scope) -> int:
    """How many calls the tenant has under way in the process in which it has the most."""
    return await scope.part(Presence).fullest("proxy.at_once", scope.tenant_id)


def check_path(scope: Scope, right: Permission, target: str | None, *, reads: bool) -> str:
    """The target, if this caller may call it. Raises PathUnclear, PathForbidden.

    reads: whether the method is one that changes nothing, whatever the query says.
    """
    if target is None:
        raise PathUnclear
    paths = scope.principal.paths(right)
    if not model.may_pass(target.partition("?")[0], paths):
        raise PathForbidden(details={"paths": list(paths)})
    if model.names_another(target, method=reads, path=bool(paths)):
        raise PathUnclear
    return target


@asynccontextmanager
async def forward(scope: Scope, connection_id: str, call: Call) -> AsyncIterator[Reply]:
    """Send the call and answer what came back, whatever the platform's status.

    GET and what else is safe to repeat is repeated after failures that pass. Redirects are not followed: where they
    lead is another call, and for a key another path. Raises what `connections.session` raises, ProxyDisabled,
    ProxyWalled, TooManyCalls, TooManyConnections, FarSideBusy, FarSideUnreachable, FarSideLate, GrantEnded,
    PathUnclear.
    """
    settings = scope.part(Settings)
    lines = scope.part(Lines)
    with lines.turn(scope.tenant_id):
        async with lines.line(scope, connection_id) as session, _sent(session, connection_id, call, settings) as reply:
            yield reply


@asynccontextmanager
async def _sent(session: Session, connection_id: str, call: Call, settings: Settings) -> AsyncIterator[Reply]:
    options = CallOptions(
        headers=model.asked_headers(call.headers),
        content=call.body,
        deadline=settings.deadline.total_seconds(),
        max_body=settings.reply_bytes,
        route=_ROUTE,
        redirects=0,
    )
    try:
        async with session.client.stream(call.method, call.target, **options) as streamed:
            length = model.length_of(streamed.headers)
            if length is not None and length > settings.reply_bytes:
                raise TooLarge("the reply is larger than what is passed on", sent=True)
            headers = _back(streamed.headers.items())
            if 300 <= streamed.status < 400 and streamed.url is not None:
                headers = led(headers, streamed.url, call.target, f"{_OWN}/{connection_id}")
            yield Reply(streamed.status, headers, length, streamed)
    except PlatformError as failure:
        if not isinstance(failure.reply, Response):
            raise problem_of(failure) from failure
        yield _whole(failure.reply)
    except ClientError as failure:
        raise problem_of(failure) from failure


def _whole(reply: Response) -> Reply:
    return Reply(reply.status, _back(reply.headers.items()), len(reply.content), _once(reply.content))


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _back(headers: Iterable[model.Header]) -> Sequence[model.Header]:
    return (*model.answered_headers(headers), model.ANSWERED)


def led(headers: Iterable[model.Header], url: Url, target_: str, own: str) -> list[model.Header]:
    """The headers of a redirect, which nobody follows here: its place is a path of the proxy, judged as any other.

    url: where the answer came from. target_: the part of it that the caller asked for. own: what stands before that
    here. What lies on another host, or beside the connection's own paths, is told under a name that no client follows:
    it would take its credentials for us along.
    """
    told: list[model.Header] = []
    for name, value in headers:
        place = _place(value, url, target_.partition("?")[0]) if name == "location" else ""
        if name != "location":
            told.append((name, value))
        elif place is not None:
            told.append((name, own + place))
        else:
            told.append((model.ELSEWHERE, value))
    return told


def _place(location: str, url: Url, path: str) -> str | None:
    """The path and query behind the connection's own address, or None."""
    base = url.path.removesuffix(path)
    try:
        there = resolve(url, location)
    except InvalidRequest:
        return None
    if there.origin != url.origin or not there.path.startswith(f"{base}/") or not url.path.endswith(path):
        return None
    rest = there.path.removeprefix(base)
    return f"{rest}?{there.query}" if there.query else rest


def problem_of(failure: ClientError) -> Problem:
    """The failure in the API's own words; which address was refused or silent is not told (SS-09)."""
    if isinstance(failure, ReauthorizationRequired | TokenRejected):
        return GrantEnded()
    if isinstance(failure, connections.HostFull):
        return TooManyConnections(retry_after=failure.retry_after)
    if isinstance(failure, RateLimited | BreakerOpen | RefreshUnavailable):
        return FarSideBusy(retry_after=failure.retry_after or _RETRY_SECONDS)
    if isinstance(failure, DeadlineExceeded):
        return FarSideLate()
    if isinstance(failure, InvalidRequest) and not isinstance(failure, AddressRefused):
        return PathUnclear()
    return FarSideUnreachable()
