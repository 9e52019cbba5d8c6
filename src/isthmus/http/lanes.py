"""Heavy requests take a lower lane: a few of each tenant at a time, tenants in turn, light ones first (RL-08, RL-12).

What waits here is a future in a line: it holds no connection of the database and costs the event loop nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from types import TracebackType

from starlette.responses import StreamingResponse

from isthmus.engine.db import lower_lane
from isthmus.http.errors import CannotStart, HeavyRequestsWait
from isthmus.http.settings import FOR_HALF, HEAVY, HeavyClass, HttpSettings

_RETRY_SECONDS = 1.0
Piece = str | bytes | memoryview


class _Line:
    """The heavy requests of one class: how many of whom are at work, and who waits, in the order of their turns."""

    __slots__ = ("_all", "_at_work", "_going", "_most", "waiting")

    def __init__(self, most: int, factor: int) -> None:
        self._most = most
        self._all = most * factor
        self._at_work = 0
        self._going: dict[str, int] = {}
        #: The tenant whose turn is next stands first.
        self.waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def enter(self, tenant_id: str) -> bool:
        """Take a place, if there is one."""
        going = self._going.get(tenant_id, 0)
        if self._at_work >= self._all or going >= self._most:
            return False
        self._going[tenant_id] = going + 1
        self._at_work += 1
        return True

    def leave(self, tenant_id: str) -> None:
        """Give a place back."""
        self._at_work -= 1
        self._going[tenant_id] -= 1
        if not self._going[tenant_id]:
            del self._going[tenant_id]

    def counts(self) -> Mapping[str, int]:
        """How many each tenant has at work."""
        return dict(self._going)

    def admit(self) -> bool:
        """Let the next one in: of the tenant whose turn it is, the one that waits longest. False when nobody may.

        Whoever has hung up stands in the line until its task has run once more, and is passed over.
        """
        for tenant_id, line in self.waiting.items():
            turn = next((one for one in line if not one.done()), None)
            if turn is not None and self.enter(tenant_id):
                line.remove(turn)
                turn.set_result(None)
                del self.waiting[tenant_id]
                if line:
                    self.waiting[tenant_id] = line
                return True
        return False

    def give_up(self, tenant_id: str, turn: "asyncio.Future[None]") -> None:
        """Whoever waited has gone."""
        line = self.waiting[tenant_id]
        line.remove(turn)
        if not line:
            del self.waiting[tenant_id]


def at_once(settings: HttpSettings, name: HeavyClass, processors: int) -> int:
    """How many heavy requests of a class a process answers one tenant at once."""
    most = min(HEAVY[name], max(1, processors // 2)) if name in FOR_HALF else HEAVY[name]
    return settings.heavy.get(name, most)


class Lanes:
    """Who may begin with what is heavy.

    The edge counts the light requests that are under way in `light`; while there are any, a heavy one begins, and
    goes on when its rows have come, only after it has stood back for `heavy_patience` seconds, one at a time, so that
    neither side waits for ever.

    processors: of this machine. Where PostgreSQL works for one tenant on all of them, nobody else is served in time.
    """

    def __init__(self, settings: HttpSettings, processors: int = 4) -> None:
        wrong = [name for name, most in settings.heavy.items() if name not in HEAVY or most < 1]
        if wrong:
            raise CannotStart(
                f"http.heavy: {', '.join(sorted(wrong))} is no class of heavy requests or has no positive number; "
                f"the classes are {', '.join(HEAVY)}."
            )
        factor = max(1, settings.heavy_factor)
        self._lines = {name: _Line(at_once(settings, name, processors), factor) for name in HEAVY}
        self._longest = settings.heavy_waiting
        self._seconds = settings.heavy_seconds
        self._patience = settings.heavy_patience
        #: How many light requests are under way.
        self.light = 0
        #: How many heavy ones wait, at their beginning or midway.
        self.waiting = 0
        self._standing: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._called = False

    def counts(self, name: HeavyClass) -> Mapping[str, int]:
        """How many heavy requests of a class each tenant has at work."""
        return self._lines[name].counts()

    def turn(self, name: HeavyClass, tenant_id: str, *, patient: bool = False) -> "Turn":
        """A turn of this tenant, for the length of a block. Raises HeavyRequestsWait on entry.

        patient: for what goes on after a pause, such as the next piece of a file: it waits as long as it takes.
        """
        return Turn(self, name, tenant_id, patient)

    def go_on(self) -> None:
        """No light request is under way any more, or a place is free: let the next begin.

        Not before the loop has looked at its sockets: a light request that has arrived meanwhile goes first.
        """
        if not self._called:
            self._called = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._begin)

    async def paced(self, name: HeavyClass, tenant_id: str, response: StreamingResponse) -> None:
        """Have each piece of a streamed answer made in a turn of its own, the first of them before this returns.

        While the caller reads a piece, no place is held. Raises HeavyRequestsWait.
        """
        pieces = aiter(response.body_iterator)
        async with self.turn(name, tenant_id):
            first = await anext(pieces, None)
        if first is not None:
            response.body_iterator = self._rest(name, tenant_id, first, pieces)

    async def _rest(
        self, name: HeavyClass, tenant_id: str, first: Piece, pieces: AsyncIterator[Piece]
    ) -> AsyncIterator[Piece]:
        yield first
        while True:
            async with self.turn(name, tenant_id, patient=True):
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece

    async def stand_back(self) -> None:
        """Go on with a heavy request when no light one is under way any more, or after `heavy_patience`."""
        if not self.light:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._standing.append(turn)
        self.waiting += 1
        self._watch()
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._standing:
                self._standing.remove(turn)
                self.waiting -= 1
            raise

    async def take(self, name: HeavyClass, tenant_id: str, *, patient: bool) -> None:
        """Wait for a turn."""
        line = self._lines[name]
        own = line.waiting.get(tenant_id)
        if not self.light and not own and line.enter(tenant_id):
            return
        if own is None:
            own = line.waiting[tenant_id] = deque()
        elif len(own) >= self._longest and not patient:
            raise HeavyRequestsWait(retry_after=_RETRY_SECONDS)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        own.append(turn)
        self.waiting += 1
        self._watch()
        try:
            async with asyncio.timeout(None if patient else self._seconds):
                await turn
        except BaseException as failure:
            self._give_up(line, tenant_id, turn)
            if isinstance(failure, TimeoutError):
                said = "This has waited too long behind your other heavy requests; nothing was done."
                raise HeavyRequestsWait(said, retry_after=_RETRY_SECONDS) from None
            raise

    def leave(self, name: HeavyClass, tenant_id: str) -> None:
        """A turn is over."""
        self._lines[name].leave(tenant_id)
        if self.waiting and not self.light:
            self.go_on()

    def _give_up(self, line: _Line, tenant_id: str, turn: "asyncio.Future[None]") -> None:
        """Whoever waited has gone; a turn that came at the same moment goes to the next."""
        if turn.done() and not turn.cancelled():
            line.leave(tenant_id)
            if self.waiting and not self.light:
                self.go_on()
        else:
            turn.cancel()
            line.give_up(tenant_id, turn)
            self.waiting -= 1

    def _begin(self) -> None:
        self._called = False
        if not self.light and self._next() and self.waiting:
            self.go_on()  # one after the other, so that no two begin at one go

    def _next(self) -> bool:
        """Let the next go on that stands back midway, else one of each class in; whether there was anybody."""
        if self._standing:
            turn = self._standing.popleft()
            self.waiting -= 1
            if not turn.done():
                turn.set_result(None)
            return True
        admitted = sum(line.admit() for line in self._lines.values() if line.waiting)
        self.waiting -= admitted
        return admitted > 0

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._patience, self._insist)

    def _insist(self) -> None:
        """Whoever has stood back for so long begins beside the light ones."""
        self._timer = None
        if self.waiting:
            self._next()
        if self.waiting:
            self._watch()


class Turn:
    """A turn in a lane."""

    __slots__ = ("_lanes", "_lower", "_name", "_patient", "_tenant_id")

    def __init__(self, lanes: Lanes, name: HeavyClass, tenant_id: str, patient: bool) -> None:
        self._lanes = lanes
        self._name = name
        self._tenant_id = tenant_id
        self._patient = patient
        self._lower = lower_lane(lanes.stand_back)

    async def __aenter__(self) -> None:
        await self._lanes.take(self._name, self._tenant_id, patient=self._patient)
        self._lower.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lower.__exit__(None, None, None)
        self._lanes.leave(self._name, self._tenant_id)
