"""Rate limits that wait: fair queues, one pump for all waiters, cancellable without debt, shared between processes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass

from isthmus.client.budget import Budget, BudgetRule, rule_of
from isthmus.client.errors import InvalidRequest, RateLimited
from isthmus.client.limits import Narrowing, RateLimit, Window
from isthmus.kit.clock import SYSTEM, Clock

#: Seconds for which permits of a shared quota may gather while somebody waits for them.
_GATHERING = 0.04


@dataclass(slots=True, eq=False)
class _Waiter:
    weight: int
    turn: asyncio.Future[None]


class _Queue:
    """Waiting calls of one key: round robin over shares, first come first served within one."""

    __slots__ = ("count", "shares", "weight")

    def __init__(self) -> None:
        self.shares: dict[str, deque[_Waiter]] = {}
        self.count = 0
        self.weight = 0

    def add(self, share: str, waiter: _Waiter) -> None:
        self.shares.setdefault(share, deque()).append(waiter)
        self.count += 1
        self.weight += waiter.weight

    def head(self) -> _Waiter | None:
        """Whose turn it is; calls that gave up meanwhile are dropped."""
        while self.shares:
            share, line = next(iter(self.shares.items()))
            while line and line[0].turn.done():
                line.popleft()
            if line:
                return line[0]
            del self.shares[share]
        return None

    def serve(self) -> None:
        """The head has its permit: its share goes to the end of the round."""
        share, line = next(iter(self.shares.items()))
        waiter = line.popleft()
        self.left(waiter)
        del self.shares[share]
        if line:
            self.shares[share] = line
        waiter.turn.set_result(None)

    def left(self, waiter: _Waiter) -> None:
        self.count -= 1
        self.weight -= waiter.weight


class _State:
    """What only some keys have: a queue, a pause, a narrowed rule, leased permits."""

    __slots__ = ("asks_at", "expires", "narrowing", "paused", "permits", "queue")

    def __init__(self) -> None:
        self.paused = -math.inf
        #: Before this moment the shared quota holds nothing more for this key.
        self.asks_at = -math.inf
        self.narrowing: Narrowing | None = None
        self.queue: _Queue | None = None
        self.permits = 0
        self.expires = math.inf

    def idle(self, now: float) -> bool:
        """Whether forgetting it changes nothing."""
        whole = self.narrowing is None or self.narrowing.now(now) >= 1.0
        spent = not self.permits or now >= self.expires
        return self.queue is None and self.paused <= now and spent and whole


class Limiter:
    """A rate limit over many keys.

    rule: how many calls may leave. budget: where permits are leased if several processes share the quota.
    block: permits per lease. max_keys: idle keys are forgotten beyond this number.
    """

    def __init__(
        self,
        rule: RateLimit,
        *,
        budget: Budget | None = None,
        block: int | None = None,
        clock: Clock = SYSTEM,
        max_keys: int = 100_000,
    ) -> None:
        self.rule = rule
        self._clock = clock
        self._budget = budget
        self._shared: BudgetRule = rule_of(rule, block)
        self._windows: dict[str, Window] = {}
        self._states: dict[str, _State] = {}
        self._sweep_at = max_keys
        self._max_keys = max_keys
        self._due: list[tuple[float, int, str]] = []
        self._order = itertools.count()
        self._waiting = 0
        self._pump: asyncio.Task[None] | None = None
        self._asleep = False
        #: The key whose queue the pump is serving: it stands in no list meanwhile.
        self._served: str | None = None

    @property
    def waiting(self) -> int:
        """Calls in the queues."""
        return self._waiting

    def try_acquire(self, key: str = "", weight: int = 1) -> float:
        """Take a permit and return 0.0, or take nothing and return the seconds until one may be free."""
        now = self._clock.monotonic()
        window = self._windows.get(key)
        if window is None:
            window = self._new(key, now)
        if not self._states and self._budget is None:
            return window.admit(now, weight, 1.0)
        state = self._states.get(key)
        if state is not None and state.queue is not None:
            return max(state.queue.weight / self.rule.rate, 1e-3)
        return self._admit(window, state, weight, now)

    async def acquire(self, key: str = "", weight: int = 1, *, share: str = "", patience: float = math.inf) -> float:
        """Wait for a permit and return the seconds waited.

        Shares of one key take turns. Raises RateLimited, at once, when the queue is full or the wait would be
        longer than `patience` seconds. Cancelling gives the place and the permit back.
        """
        if weight > self.rule.largest:
            raise InvalidRequest(f"a call of weight {weight} can never pass a limit of {self.rule.largest}")
        wait = self.try_acquire(key, weight)
        if wait == 0.0:
            return 0.0
        return await self._join(key, weight, share, patience, wait)

    async def _join(self, key: str, weight: int, share: str, patience: float, wait: float) -> float:
        found = self._state(key)
        queue = found.queue
        patience = min(patience, self.rule.max_wait)
        # Under a budget the wait is not known before it has been asked; the deadline of the call bounds it then.
        if self.rule.max_queue == 0 or wait > patience:
            raise RateLimited("our rate limit is used up", retry_after=wait)
        if queue is None:
            queue = found.queue = _Queue()
            self._wake(key, self._clock.monotonic() + wait)
        elif queue.count >= self.rule.max_queue:
            raise RateLimited("too many calls wait for the rate limit", retry_after=wait)
        started = self._clock.monotonic()
        waiter = _Waiter(weight, asyncio.get_running_loop().create_future())
        queue.add(share, waiter)
        self._waiting += 1
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled():
                self.give_back(key, weight)
            else:
                queue.left(waiter)
            raise
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._rest()
        return self._clock.monotonic() - started

    def give_back(self, key: str = "", weight: int = 1) -> None:
        """Return a permit of a call that never left."""
        if self._budget is not None:
            self._state(key).permits += weight
        elif (window := self._windows.get(key)) is not None:
            window.give_back(weight)

    def narrow(
        self,
        key: str = "",
        *,
        retry_after: float | None = None,
        remaining: int | None = None,
        throttled: bool = False,
    ) -> None:
        """Heed the far side: pause for `retry_after` seconds, keep to `remaining` calls, halve after a throttle."""
        now = self._clock.monotonic()
        if remaining is not None and self._budget is None:
            window = self._windows.get(key)
            (self._new(key, now) if window is None else window).cap(now, max(0, remaining))
        if not (retry_after or throttled or self._budget is not None):
            return
        found = self._state(key)
        if retry_after:
            found.paused = max(found.paused, now + retry_after)
        if remaining is not None:
            found.permits = min(found.permits, remaining)
        if throttled:
            if found.narrowing is None:
                found.narrowing = Narrowing(max(2 * self.rule.window, 30.0))
            found.narrowing.throttled(now)

    def _admit(self, window: Window, state: _State | None, weight: int, now: float) -> float:
        if state is None:
            return 1e-3 if self._budget is not None else window.admit(now, weight, 1.0)
        if state.paused > now:
            return state.paused - now
        share = state.narrowing.now(now) if state.narrowing is not None else 1.0
        if self._budget is None:
            return window.admit(now, weight, share)
        if state.permits < weight or now >= state.expires:
            return max(state.asks_at - now, 1e-3)
        # The shared quota knows nothing of what this process was told: its own count holds it back until it heals.
        wait = window.admit(now, weight, share) if share < 1.0 else 0.0
        if wait == 0.0:
            state.permits -= weight
        return wait

    def _state(self, key: str) -> _State:
        found = self._states.get(key)
        if found is None:
            found = self._states[key] = _State()
        return found

    def _new(self, key: str, now: float) -> Window:
        if len(self._windows) >= self._sweep_at:
            self._states = {name: one for name, one in self._states.items() if not one.idle(now)}
            kept = {name: one for name, one in self._windows.items() if name in self._states or not one.idle(now)}
            self._windows = kept
            self._sweep_at = max(self._max_keys, 2 * len(kept))
        made = self._windows[key] = self.rule.new()
        return made

    # One task serves all queues; it lives only while somebody waits.

    def _wake(self, key: str, when: float) -> None:
        earliest = not self._due or when < self._due[0][0]
        heapq.heappush(self._due, (when, next(self._order), key))
        # A pump that is drawing permits is left alone: it looks at the queues again when it has them. One that has
        # ended looks at nothing any more, although its last callback may not have run yet.
        if self._pump is None or self._pump.done() or (earliest and self._asleep):
            if self._pump is not None:
                self._pump.cancel()
            self._asleep = False
            self._pump = asyncio.get_running_loop().create_task(self._serve(), name="isthmus-limiter")
            self._pump.add_done_callback(self._ended)

    def _ended(self, pump: asyncio.Task[None]) -> None:
        """A budget that fails, fails the calls that wait for it, instead of leaving them to their deadlines."""
        if pump is self._pump:
            self._pump = None
        error = None if pump.cancelled() else pump.exception()
        if error is None:
            return
        for found in self._states.values():
            queue, found.queue = found.queue, None
            while queue is not None and (waiter := queue.head()) is not None:
                waiter.turn.set_exception(error)
        self._due.clear()

    def _rest(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            self._pump, self._asleep = None, False
        for key in (*(key for _, _, key in self._due), *(() if self._served is None else (self._served,))):
            self._state(key).queue = None
        self._served = None
        self._due.clear()

    async def _serve(self) -> None:
        while self._due:
            when, _, key = self._due[0]
            wait = when - self._clock.monotonic()
            if wait > 0:
                self._asleep = True
                await self._clock.sleep(wait)
                self._asleep = False
                continue
            heapq.heappop(self._due)
            if self._budget is not None:
                self._served = key
                await self._draw(key, self._budget)
                self._served = None
            again = self._serve_key(key)
            if again is not None:
                heapq.heappush(self._due, (again, next(self._order), key))

    def _serve_key(self, key: str) -> float | None:
        """Let pass who may; the time to look again, or None when nobody waits."""
        found, window = self._state(key), self._windows[key]
        queue = found.queue
        while queue is not None and (waiter := queue.head()) is not None:
            now = self._clock.monotonic()
            wait = self._admit(window, found, waiter.weight, now)
            if wait > 0.0:
                return now + wait
            queue.serve()
        found.queue = None
        if found.idle(self._clock.monotonic()):
            del self._states[key]
        return None

    async def _draw(self, key: str, budget: Budget) -> None:
        found = self._state(key)
        now = self._clock.monotonic()
        if found.paused > now or found.queue is None:
            return
        if now >= found.expires:
            found.permits, found.expires = 0, math.inf
        head = found.queue.head()
        if head is None or found.permits >= head.weight or now < found.asks_at:
            return
        wanted = max(self._shared.block, min(found.queue.weight, self.rule.largest))
        grant = await budget.lease(key, wanted, self._shared)
        now = self._clock.monotonic()
        found.permits += grant.permits
        if grant.expires_in is not None:
            found.expires = min(found.expires, now + grant.expires_in)
        gathers = self._gathers(found.queue, found.permits)
        if found.permits < head.weight:
            found.paused = max(found.paused, now + max(grant.wait_seconds, gathers, 1e-3))
        elif grant.permits < wanted:  # all that there was: to ask at once brings nothing
            found.asks_at = now + gathers

    def _gathers(self, queue: _Queue | None, permits: int) -> float:
        """How long an evenly refilled quota takes for a fair part of what waits on: one lease brings them all."""
        if queue is None or self.rule.strategy != "token_bucket":
            return 0.0
        left = max(queue.weight - permits, 1)
        return min(min(self._shared.block, left) / self.rule.rate, _GATHERING)
