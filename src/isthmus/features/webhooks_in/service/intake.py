"""Takes deliveries in: found by token, judged on raw bytes, made durable, and only then answered.

Nothing is acknowledged before it is committed (security.md PR-01); a repeat is acknowledged without effect (PR-02).
What cannot be committed in the time that its platform gives is answered 503 within that time, so that it comes again;
some platforms never do, so that what was told so is kept all the same once the database answers.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from urllib.parse import parse_qsl

import msgspec

from isthmus.connect.webhooks import Challenge, Reply
from isthmus.features.webhooks_in.errors import NotInTime
from isthmus.features.webhooks_in.model import deliveries, reading
from isthmus.features.webhooks_in.model.deliveries import Entry, LiveSource, Refusal
from isthmus.features.webhooks_in.model.inbound import Inbound, Request
from isthmus.features.webhooks_in.model.verifying import Verdict, verify
from isthmus.features.webhooks_in.service.batching import ROUTE as ROUTE
from isthmus.features.webhooks_in.service.batching import Batch
from isthmus.features.webhooks_in.service.finding import Finder, within
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import intake as store
from isthmus.http import Arrival, Departure, Front, Outcome
from isthmus.kit import ids, text
from isthmus.kit.errors import Problem
from isthmus.scope import System

PREFIX = "/hooks/"
_REFUSED_BODY = 4_096
_WAITING_REFUSALS = 200
#: What is still looked for after its platform was told to come again: bytes in all, those that each counts beside its
#: body, and the seconds that its commit has.
_LATE_BYTES = 8 * 1024 * 1024
_LATE_EACH = 2_048
_LATE_SECONDS = 25.0
_REFUSED = Departure(status=401, refused=True)
_COME_AGAIN = Departure(status=503)
#: Reasons that another secret of the source would do away with.
_OF_THE_SECRET = frozenset({"no_key", "no_fitting_key", "wrong_signature"})


class Taken(msgspec.Struct, frozen=True):
    """What became of a request: its answer, the verdict, and the delivery's id if it was news."""

    reply: Departure
    verdict: Verdict | None = None
    id: str | None = None
    repeated: bool = False

    @property
    def unsure(self) -> bool:
        """Whether it was turned away by what is known of the source, which may have changed meanwhile."""
        by_source = self.verdict is None or self.verdict.reason in _OF_THE_SECRET
        return by_source and self.reply in (_REFUSED, _COME_AGAIN)


class Intake:
    """One process's intake."""

    def __init__(self, system: System, settings: Settings, finder: Finder) -> None:
        self._system, self._settings, self.finder = system, settings, finder
        self._batch = Batch(system, settings)
        self._ring: deque[Refusal] = deque(maxlen=_WAITING_REFUSALS)
        self._flushing: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._late_bytes = 0

    async def answer(self, arrival: Arrival) -> Departure:
        """Answer one request at `/hooks/{token}`."""
        if arrival.method not in {"GET", "POST"}:
            return Departure(status=405)
        begun = asyncio.get_running_loop().time()
        try:
            found = await self._find(arrival)
        except NotInTime:
            self._keep_late(arrival)
            return _COME_AGAIN
        if found is None:
            return _REFUSED
        source, judged = found
        if isinstance(judged, Taken):
            return judged.reply
        try:
            return (await self._kept(source, *judged, begun=begun)).reply
        except NotInTime:
            return _COME_AGAIN

    async def _find(self, arrival: Arrival) -> tuple[LiveSource, Taken | tuple[Verdict, Entry]] | None:
        """The source with what it makes of a request; nobody is turned away by what was seen of it long ago."""
        known_only = arrival.strained
        while (source := await self.finder.by_token(arrival.path, known_only=known_only)) is not None:
            request = request_of(arrival, self.finder.address(arrival.path))
            judged = self._judge(source, request, arrival)
            if not isinstance(judged, Taken):
                return source, judged
            if not (judged.unsure and self.finder.doubt(arrival.path)):
                return source, self._noted(source, request, arrival, judged)
            known_only = False
        return None

    def _keep_late(self, arrival: Arrival) -> None:
        """Go on with a delivery that nobody waits for any more; when it comes again it is a repeat."""
        if self._late_bytes < _LATE_BYTES and self.finder.expects(arrival.path):
            task = asyncio.create_task(self._taken_late(arrival), name="late webhook")
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _taken_late(self, arrival: Arrival) -> None:
        size = len(arrival.body) + _LATE_EACH
        self._late_bytes += size
        try:
            source = await self.finder.by_token(arrival.path, late=True)
            if source is not None:
                request = request_of(arrival, self.finder.address(arrival.path))
                begun = asyncio.get_running_loop().time() + _LATE_SECONDS
                await self.take(source, request, arrival, begun=begun)
        except Problem:
            return  # its platform comes again, or shows it in its own log
        finally:
            self._late_bytes -= size

    async def take(
        self,
        source: LiveSource,
        request: Request,
        arrival: Arrival,
        *,
        simulated: bool = False,
        rehearsed: bool = False,
        begun: float | None = None,
    ) -> Taken:
        """Judge a request and keep what it brings; what is simulated reaches the handlers only if it is rehearsed.

        begun: when it arrived, by the clock of the running loop; None: now. Raises NotInTime.
        """
        judged = self._judge(source, request, arrival)
        if isinstance(judged, Taken):
            return self._noted(source, request, arrival, judged)
        verdict, entry = judged
        if simulated:
            # one may be simulated again and again, and takes no real delivery's place in the ledger
            own = hashlib.blake2b(entry.id.encode(), digest_size=len(entry.digest)).digest()
            entry = msgspec.structs.replace(entry, simulated=True, rehearsed=rehearsed, digest=own)
        return await self._kept(source, verdict, entry, begun=begun)

    async def _kept(self, source: LiveSource, verdict: Verdict, entry: Entry, *, begun: float | None) -> Taken:
        begun = asyncio.get_running_loop().time() if begun is None else begun
        fresh = await self._batch.put(entry, begun + within(source.scheme), first=not source.verified_before)
        return Taken(_departure(source.scheme.reply), verdict, entry.id if fresh else None, repeated=not fresh)

    def begin(self, arrival: Arrival, tell: Callable[[Outcome], None]) -> bool:
        """Take up a delivery for a source that is known already; `tell` is called once it is refused or committed."""
        source = self.finder.remembered(arrival.path)
        if source is None:
            return False
        request = request_of(arrival, self.finder.address(arrival.path))
        judged = self._judge(source, request, arrival)
        if isinstance(judged, Taken):
            if judged.unsure and self.finder.doubt(arrival.path):
                return False
            tell(self._noted(source, request, arrival, judged).reply)
        else:
            told = partial(_told, tell, _departure(source.scheme.reply))
            due = asyncio.get_running_loop().time() + within(source.scheme)
            self._batch.add(judged[1], due, told, first=not source.verified_before)
        return True

    def _judge(self, source: LiveSource, request: Request, arrival: Arrival) -> Taken | tuple[Verdict, Entry]:
        """What is to be kept of a request, or what it is answered when nothing is."""
        if source.paused:
            return Taken(_COME_AGAIN)
        inbound = Inbound(request, source.app)
        asks = source.scheme.challenges
        asked = reading.challenge(inbound, source.scheme, signed=False) if asks else None
        if asked is not None:
            return Taken(self._proof(inbound, asked, source))
        now = self._system.now
        verdict = verify(inbound, source.scheme, source.secrets, now)
        if not verdict.accepted:
            return Taken(_REFUSED, verdict)
        asked = reading.challenge(inbound, source.scheme, signed=True) if asks else None
        if asked is not None:
            return Taken(self._proof(inbound, asked, source), verdict)
        return verdict, self._entry(source, inbound, arrival, verdict, now)

    def _proof(self, inbound: Inbound, asked: Challenge, source: LiveSource) -> Departure:
        reply = reading.answer(inbound, asked, source.secrets, self._system.now, source.verify_tokens)
        return _REFUSED if reply is None else _departure(reply)

    def _entry(self, source: LiveSource, inbound: Inbound, arrival: Arrival, verdict: Verdict, now: datetime) -> Entry:
        request = inbound.request
        read = reading.read(inbound, source.scheme, source.provider)
        return Entry(
            digest=reading.digest(inbound, source.scheme, source.id),
            tenant_id=source.tenant_id,
            id=ids.made("inb", now),
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

    def _noted(self, source: LiveSource, request: Request, arrival: Arrival, judged: Taken) -> Taken:
        """Keep a refusal for the person who looks for its reason: bounded, later, and never waited for (WH-08)."""
        verdict = judged.verdict
        if verdict is None or verdict.accepted:
            return judged
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
        return judged

    async def _flush(self) -> None:
        await asyncio.sleep(self._settings.linger.total_seconds() * 10)
        refusals = list(self._ring)
        self._ring.clear()
        async with self._system.tx() as tx:
            await store.refuse(tx, refusals, self._settings.refused_kept)

    async def settle(self) -> None:
        """Wait until what was refused so far is kept, and what was told to come again."""
        if self._flushing is not None:
            await self._flushing
        await asyncio.gather(*self._late)


def _told(tell: Callable[[Outcome], None], reply: Departure, kept: bool | Exception) -> None:
    if isinstance(kept, NotInTime):
        tell(_COME_AGAIN)
    else:
        tell(kept if isinstance(kept, Exception) else reply)


def request_of(arrival: Arrival, address: str) -> Request:
    """The request at its public address."""
    query = arrival.query.decode("latin-1")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=200) if query else []
    except ValueError:
        pairs = []
    return Request(arrival.method, f"{address}?{query}" if query else address, pairs, arrival.headers, arrival.body)


@lru_cache(maxsize=256)
def _departure(reply: Reply) -> Departure:
    return Departure(
        status=reply.status, body=reply.body.encode(), content_type=reply.content_type if reply.body else ""
    )


def front(system: System) -> Front:
    """The intake in front of the routes."""
    settings = system.engine.part(Settings)
    intake = Intake(system, settings, Finder(system, settings))
    expected = intake.finder.expected
    return Front(
        answer=intake.answer,
        begin=intake.begin,
        body_cap=settings.body_bytes,
        shown=PREFIX + "{token}",
        prepare=expected.prepare,
        follow=intake.finder.follow,
    )
