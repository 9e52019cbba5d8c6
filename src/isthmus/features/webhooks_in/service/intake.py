"""Takes deliveries in: found by token, judged on raw bytes, made durable, and only then answered.

Several deliveries share a commit: what arrives while one is under way goes into the next. Nothing is acknowledged
before it is committed (security.md PR-01); a repeat is acknowledged and takes no effect (PR-02).
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from urllib.parse import parse_qsl

import msgspec

from isthmus.connect.webhooks import Challenge, Reply
from isthmus.features.webhooks_in.model import deliveries, reading
from isthmus.features.webhooks_in.model.days import Days
from isthmus.features.webhooks_in.model.deliveries import Entry, LiveSource, Refusal
from isthmus.features.webhooks_in.model.inbound import Inbound, Request
from isthmus.features.webhooks_in.model.verifying import Verdict, verify
from isthmus.features.webhooks_in.service import retaining
from isthmus.features.webhooks_in.service.finding import Finder
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import intake as store
from isthmus.http import Arrival, Departure, Front, Outcome
from isthmus.kit import ids, text
from isthmus.scope import System

PREFIX = "/hooks/"
ROUTE = "webhooks_in.route"
_REFUSED_BODY = 4_096
_WAITING_REFUSALS = 200
_REFUSED = Departure(status=401, refused=True)
Tell = Callable[[bool | Exception], None]


class Taken(msgspec.Struct, frozen=True):
    """What became of a request: its answer, the verdict, and the delivery's id if it was news."""

    reply: Departure
    verdict: Verdict | None = None
    id: str | None = None
    repeated: bool = False


class Intake:
    """One process's intake."""

    def __init__(self, system: System, settings: Settings, finder: Finder) -> None:
        self._system, self._settings, self.finder = system, settings, finder
        self._batch = Batch(system, settings)
        self._ring: deque[Refusal] = deque(maxlen=_WAITING_REFUSALS)
        self._flushing: asyncio.Task[None] | None = None

    async def answer(self, arrival: Arrival) -> Departure:
        """Answer one request at `/hooks/{token}`."""
        if arrival.method not in {"GET", "POST"}:
            return Departure(status=405)
        source = await self.finder.by_token(arrival.path, known_only=arrival.strained)
        if source is None:
            return _REFUSED
        request = request_of(arrival, self.finder.address(arrival.path))
        return (await self.take(source, request, arrival)).reply

    async def take(
        self,
        source: LiveSource,
        request: Request,
        arrival: Arrival,
        *,
        simulated: bool = False,
        rehearsed: bool = False,
    ) -> Taken:
        """Judge a request and keep what it brings; what is simulated reaches the handlers only if it is rehearsed."""
        judged = self._judge(source, request, arrival)
        if isinstance(judged, Taken):
            return judged
        verdict, entry = judged
        if simulated:
            entry = msgspec.structs.replace(entry, simulated=True, rehearsed=rehearsed)
        fresh = await self._batch.put(entry, first=not source.verified_before)
        return Taken(_departure(source.scheme.reply), verdict, entry.id if fresh else None, repeated=not fresh)

    def begin(self, arrival: Arrival, tell: Callable[[Outcome], None]) -> bool:
        """Take up a delivery for a source that is known already; `tell` is called once it is refused or committed."""
        source = self.finder.remembered(arrival.path)
        if source is None:
            return False
        judged = self._judge(source, request_of(arrival, self.finder.address(arrival.path)), arrival)
        if isinstance(judged, Taken):
            tell(judged.reply)
        else:
            told = partial(_told, tell, _departure(source.scheme.reply))
            self._batch.add(judged[1], told, first=not source.verified_before)
        return True

    def _judge(self, source: LiveSource, request: Request, arrival: Arrival) -> Taken | tuple[Verdict, Entry]:
        """What is to be kept of a request, or what it is answered when nothing is."""
        if source.paused:
            return Taken(Departure(status=503))
        inbound = Inbound(request, source.app)
        asked = reading.challenge(inbound, source.scheme, signed=False)
        if asked is not None:
            return Taken(self._proof(inbound, asked, source))
        now = self._system.now
        verdict = verify(inbound, source.scheme, source.secrets, now)
        if not verdict.accepted:
            self._refuse(source, request, arrival, verdict)
            return Taken(_REFUSED, verdict)
        asked = reading.challenge(inbound, source.scheme, signed=True)
        if asked is not None:
            return Taken(self._proof(inbound, asked, source), verdict)
        return verdict, self._entry(source, inbound, arrival, verdict, now)

    def _proof(self, inbound: Inbound, asked: Challenge, source: LiveSource) -> Departure:
        reply = reading.answer(inbound, asked, source.secrets, self._system.now)
        return _REFUSED if reply is None else _departure(reply)

    def _entry(self, source: LiveSource, inbound: Inbound, arrival: Arrival, verdict: Verdict, now: datetime) -> Entry:
        request = inbound.request
        read = reading.read(inbound, source.scheme, source.provider)
        return Entry(
            digest=reading.digest(inbound, source.scheme, source.id),
            tenant_id=source.tenant_id,
            id=ids.new("inb", self._system.clock),
            source_id=source.id,
            provider=source.provider,
            received_at=now,
            request_id=arrival.request_id,
            address=arrival.address,
            method=request.method,
            query=text.storable(arrival.query.decode("latin-1")) if arrival.query else "",
            headers=deliveries.kept_headers(request.headers, source.scheme),
            body=request.body,
            verdict=deliveries.told(verdict),
            topic=read.topic,
            event=read.event,
            entity=read.entity,
            account=read.account,
            object=read.object,
            occurred_at=read.occurred_at,
            simulated=False,
        )

    def _refuse(self, source: LiveSource, request: Request, arrival: Arrival, verdict: Verdict) -> None:
        """Keep a refusal for the person who looks for its reason: bounded, later, and never waited for (WH-08)."""
        headers = deliveries.kept_headers(request.headers, source.scheme)
        refused = Refusal(
            source.tenant_id,
            source.id,
            ids.new("ref", self._system.clock),
            self._system.now,
            verdict.reason,
            verdict.text,
            arrival.address,
            headers,
            request.body[:_REFUSED_BODY],
        )
        self._ring.append(refused)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush(), name="webhook refusals")

    async def _flush(self) -> None:
        await asyncio.sleep(self._settings.linger.total_seconds() * 10)
        refusals = list(self._ring)
        self._ring.clear()
        async with self._system.tx() as tx:
            await store.refuse(tx, refusals, self._settings.refused_kept)

    async def settle(self) -> None:
        """Wait until what was refused so far is kept."""
        if self._flushing is not None:
            await self._flushing


@dataclass(slots=True)
class _Waiting:
    entry: Entry
    first: bool
    tell: Tell
    #: Who else brought the same meanwhile.
    more: list[Tell]


class Batch:
    """Collects deliveries and commits them together."""

    def __init__(self, system: System, settings: Settings) -> None:
        self._system, self._settings = system, settings
        self._waiting: dict[bytes, _Waiting] = {}
        self._days: Days | None = None
        self._work: asyncio.Task[None] | None = None

    async def put(self, entry: Entry, *, first: bool) -> bool:
        """Wait until the delivery is committed; whether it was news. Raises what the database raises."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.add(entry, partial(_resolve, answer), first=first)
        return await answer

    def add(self, entry: Entry, tell: Tell, *, first: bool) -> None:
        """Have the delivery committed; `tell` is then called with whether it was news, or with what went wrong."""
        same = self._waiting.get(entry.digest)
        if same is not None:
            same.more.append(tell)
        else:
            self._waiting[entry.digest] = _Waiting(entry, first, tell, [])
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run(), name="webhook intake")

    async def _run(self) -> None:
        while self._waiting:
            if len(self._waiting) < self._settings.batch:
                await asyncio.sleep(self._settings.linger.total_seconds())
            taken = [self._waiting.pop(digest) for digest in list(self._waiting)[: self._settings.batch]]
            try:
                kept = await self._commit(taken)
            except Exception as failure:  # noqa: BLE001 - every caller is told; the next batch goes on
                _tell(taken, failure)
            else:
                _tell(taken, kept)

    async def _commit(self, taken: Sequence[_Waiting]) -> set[str]:
        if self._days is None or not self._days.hold(self._system.now):
            self._days = await retaining.ready(self._system)
        async with self._system.tx() as tx:
            kept = await store.keep(tx, [one.entry for one in taken])
            fresh: Counter[tuple[str, str]] = Counter()
            repeats: Counter[tuple[str, str]] = Counter()
            for one in taken:
                key = (one.entry.tenant_id, one.entry.source_id)
                fresh[key] += one.entry.id in kept
                repeats[key] += len(one.more) + (one.entry.id not in kept)
            since = min(kept, default=None)
            for tenant_id, source_id in await store.count(tx, fresh, repeats, since, self._system.now):
                await self._system.engine.queue.enqueue(tx, ROUTE, source_id, tenant_id=tenant_id)
            first = sorted({(one.entry.tenant_id, one.entry.source_id) for one in taken if one.first})
            if first:
                await store.mark_verified(tx, first, self._system.now)
        return kept


def _tell(taken: Sequence[_Waiting], outcome: set[str] | Exception) -> None:
    for one in taken:
        one.tell(outcome if isinstance(outcome, Exception) else one.entry.id in outcome)
        for tell in one.more:
            tell(outcome if isinstance(outcome, Exception) else False)


def _told(tell: Callable[[Outcome], None], reply: Departure, kept: bool | Exception) -> None:
    tell(kept if isinstance(kept, Exception) else reply)


def _resolve(answer: "asyncio.Future[bool]", outcome: bool | Exception) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def request_of(arrival: Arrival, address: str) -> Request:
    """The request at its public address."""
    query = arrival.query.decode("latin-1")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=200) if query else []
    except ValueError:
        pairs = []
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in arrival.headers.items()}
    return Request(arrival.method, f"{address}?{query}" if query else address, pairs, headers, arrival.body)


@lru_cache(maxsize=256)
def _departure(reply: Reply) -> Departure:
    return Departure(
        status=reply.status, body=reply.body.encode(), content_type=reply.content_type if reply.body else ""
    )


def front(system: System) -> Front:
    """The intake in front of the routes."""
    settings = system.engine.part(Settings)
    intake = Intake(system, settings, Finder(system, settings))
    return Front(answer=intake.answer, begin=intake.begin, body_cap=settings.body_bytes, shown=PREFIX + "{token}")
