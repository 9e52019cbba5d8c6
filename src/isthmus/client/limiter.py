"""Rate limits that wait: fair queues, one pump for all waiters, cancellable without debt, shared between processes.

Urgent calls pass the others that wait, and may take the reserve of a rule, which the others leave untouched.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from dataclasses import replace

from isthmus.client.budget import Budget, BudgetRule, rule_of
from isthmus.client.errors import InvalidRequest, RateLimited
from isthmus.client.limits import Narrowing, RateLimit, Window
from isthmus.client.turns import Queue, Waiter
from isthmus.kit.clock import SYSTEM, Clock

#: Seconds for which permits of a shared quota may gather while somebody waits for them.
_GATHERING = 0.04


class _Permits:
    """Permits of a shared quota that this process holds."""

    __slots__ = ("asks_at", "expires", "left")

    def __init__(self) -> None:
        self.left = 0
        self.expires = math.inf
        #: Before this moment the shared quota holds nothing more for these calls.
        self.asks_at = -math.inf

    def cover(self, weight: int, now: float) -> bool:
        return self.left >= weight and now < self.expires

    def idle(self, now: float) -> bool:
        return self.asks_at <= now and (not self.left or now >= self.expires)


class _State:
    """What only some keys have: a queue, a pause, a narrowed rule, leased permits."""

    __slots__ = ("held", "looks_at", "narrowing", "paused", "queue", "reserved")

    def __init__(self) -> None:
        self.paused = -math.inf
        self.narrowing: Narrowing | None = None
        self.queue: Queue | None = None
        #: When the pump looks at the queue.
        self.looks_at = math.inf
        self.held = _Permits()
        #: What was leased out of the reserve too, and so is for urgent calls alone.
        self.reserved: _Permits | None = None

    def permits(self, weight: int, now: float, *, urgent: bool) -> _Permits | None:
        """Held permits that such a call may take: an urgent one those first that no other may have."""
        if urgent and self.reserved is not None and self.reserved.cover(weight, now):
            return self.reserved
        return self.held if self.held.cover(weight, now) else None

    def idle(self, now: float) -> bool:
        """Whether forgetting it changes nothing."""
        whole = self.narrowing is None or self.narrowing.now(now) >= 1.0
        spent = self.held.idle(now) and (self.reserved is None or self.reserved.idle(now))
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
        self._reserve = rule.reserve
        self._shared: BudgetRule = rule_of(rule, block)
        self._whole: BudgetRule = replace(self._shared, urgent=True)
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

    def try_acquire(self, key: str = "", weight: int = 1, urgent: bool = False) -> float:
        """Take a permit and return 0.0, or take nothing and return the seconds until one may be free."""
        now = self._clock.monotonic()
        window = self._windows.get(key)
        if window is None:
            window = self._new(key, now)
        if not self._states and self._budget is None:
            return window.admit(now, weight, 1.0, 0 if urgent else self._reserve)
        state = self._states.get(key)
        if state is not None and state.queue is not None:
            before = state.queue.urgent.weight if urgent else state.queue.weight
            if before or not urgent:
                return max(before / self.rule.rate, 1e-3)
        return self._admit(window, state, weight, now, urgent)

    async def acquire(
        self, key: str = "", weight: int = 1, *, share: str = "", urgent: bool = False, patience: float = math.inf
    ) -> float:
        """Wait for a permit and return the seconds waited.

        Shares of one key take turns; urgent calls pass the others. Raises RateLimited, at once, when the queue is full
        or the wait would be longer than `patience` seconds. Cancelling gives the place and the permit back.
        """
        largest = self.rule.largest if urgent else self.rule.largest - self._reserve
        if weight > largest:
            raise InvalidRequest(f"a call of weight {weight} can never pass a limit of {largest}")
        wait = self.try_acquire(key, weight, urgent)
        if wait == 0.0:
            return 0.0
        waiter = Waiter(weight, urgent, asyncio.get_running_loop().create_future())
        return await self._join(key, waiter, share, patience, wait)

    async def _join(self, key: str, waiter: Waiter, share: str, patience: float, wait: float) -> float:
        found, started = self._state(key), self._clock.monotonic()
        queue = found.queue
        patience = min(patience, self.rule.max_wait)
        # Under a budget the wait is not known before it has been asked; the deadline of the call bounds it then.
        if self.rule.max_queue == 0 or wait > patience:
            raise RateLimited("our rate limit is used up", retry_after=wait)
        if queue is None:
            queue = found.queue = Queue()
        line = queue.urgent if waiter.urgent else queue.ordinary
        if line.count >= self.rule.max_queue:
            raise RateLimited("too many calls wait for the rate limit", retry_after=wait)
        if not line.count:
            # The first of its kind: an urgent one may pass before those that wait already.
            self._wake(key, found, started + wait)
        line.add(share, waiter)
        self._waiting += 1
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled():
                self.give_back(key, waiter.weight, urgent=waiter.urgent)
            else:
                line.left(waiter)
            raise
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._rest()
        return self._clock.monotonic() - started

    def give_back(self, key: str = "", weight: int = 1, *, urgent: bool = False) -> None:
        """Return a permit of a call that never left."""
        if self._budget is not None:
            self._pool(self._state(key), urgent=urgent).left += weight
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
            for pool in (found.held, found.reserved):
                if pool is not None:
                    pool.left = min(pool.left, remaining)
        if throttled:
            if found.narrowing is None:
                found.narrowing = Narrowing(max(2 * self.rule.window, 30.0))
            found.narrowing.throttled(now)

    def _admit(self, window: Window, state: _State | None, weight: int, now: float, urgent: bool) -> float:
        kept = 0 if urgent else self._reserve
        if state is None:
            return 1e-3 if self._budget is not None else window.admit(now, weight, 1.0, kept)
        if state.paused > now:
            return state.paused - now
        share = state.narrowing.now(now) if state.narrowing is not None else 1.0
        if self._budget is None:
            return window.admit(now, weight, share, kept)
        permits = state.permits(weight, now, urgent=urgent)
        if permits is None:
            return max(self._pool(state, urgent=urgent).asks_at - now, 1e-3)
        # The shared quota knows nothing of what this process was told: its own count holds it back until it heals.
        wait = window.admit(now, weight, share, kept) if share < 1.0 else 0.0
        if wait == 0.0:
            permits.left -= weight
        return wait

    def _pool(self, state: _State, *, urgent: bool) -> _Permits:
        """Where leased permits of such calls go."""
        if not (urgent and self._reserve):
            return state.held
        if state.reserved is None:
            state.reserved = _Permits()
        return state.reserved

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

    def _wake(self, key: str, state: _State, when: float) -> None:
        if when >= state.looks_at:
            return
        state.looks_at = when
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
            queue, found.queue, found.looks_at = found.queue, None, math.inf
            while queue is not None and (waiter := queue.head()) is not None:
                waiter.turn.set_exception(error)
        self._due.clear()

    def _rest(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            self._pump, self._asleep = None, False
        for key in (*(key for _, _, key in self._due), *(() if self._served is None else (self._served,))):
            if (found := self._states.get(key)) is not None:
                found.queue, found.looks_at = None, math.inf
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
            found = self._states.get(key)
            if found is None or found.looks_at != when:
                continue  # it has been looked at earlier, for the sake of an urgent call
            found.looks_at = math.inf
            if self._budget is not None:
                self._served = key
                await self._draw(key, found, self._budget)
                self._served = None
            again = self._serve_key(key, found)
            if again is not None:
                self._wake(key, found, again)

    def _serve_key(self, key: str, found: _State) -> float | None:
        """Let pass who may; the time to look again, or None when nobody waits."""
        window, queue = self._windows[key], found.queue
        while queue is not None and (waiter := queue.head()) is not None:
            now = self._clock.monotonic()
            wait = self._admit(window, found, waiter.weight, now, waiter.urgent)
            if wait > 0.0:
                return now + wait
            queue.serve(waiter)
        found.queue = None
        if found.idle(self._clock.monotonic()):
            del self._states[key]
        return None

    async def _draw(self, key: str, found: _State, budget: Budget) -> None:
        queue, now = found.queue, self._clock.monotonic()
        head = queue.head() if queue is not None else None
        if queue is None or head is None or found.paused > now:
            return
        pool = self._pool(found, urgent=head.urgent)
        if now >= pool.expires:
            pool.left, pool.expires = 0, math.inf
        if found.permits(head.weight, now, urgent=head.urgent) is not None or now < pool.asks_at:
            return
        wanted, rule = self._wanted(queue, found, pool)
        grant = await budget.lease(key, wanted, rule)
        now = self._clock.monotonic()
        pool.left += grant.permits
        if grant.expires_in is not None:
            pool.expires = min(pool.expires, now + grant.expires_in)
        waits = queue.urgent.weight if pool is found.reserved else queue.weight
        gathers = self._gathers(waits - pool.left)
        if pool.left < head.weight:
            pool.asks_at = now + max(grant.wait_seconds, gathers, 1e-3)
        elif grant.permits < wanted:  # all that there was: to ask at once brings nothing
            pool.asks_at = now + gathers

    def _wanted(self, queue: Queue, found: _State, pool: _Permits) -> tuple[int, BudgetRule]:
        """How much to lease, and by which rule: what urgent calls do not use of theirs is lost to the others."""
        if pool is found.reserved:
            waits = queue.urgent.weight
            return min(max(waits, min(self._whole.block, 2 * (waits - 1))), self.rule.largest), self._whole
        return max(self._shared.block, min(queue.weight, self.rule.largest)), self._shared

    def _gathers(self, missing: int) -> float:
        """How long an evenly refilled quota takes for a fair part of what waits on: one lease brings them all."""
        if self.rule.strategy != "token_bucket":
            return 0.0
        return min(min(self._shared.block, max(missing, 1)) / self.rule.rate, _GATHERING)
