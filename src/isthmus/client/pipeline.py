"""What happens to every call: wait for the limits, authenticate, send, judge, and send again where that is safe."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from isthmus.client import retry as retrying
from isthmus.client.auth.oauth2 import OAuth2
from isthmus.client.body import encoding_of, unpack
from isthmus.client.breaker import Breaker, Permit
from isthmus.client.call import Call
from isthmus.client.errors import (
    BreakerOpen,
    ClientError,
    ConnectFailed,
    Disconnected,
    MalformedBody,
    RedirectRefused,
    Withdrawn,
)
from isthmus.client.events import AttemptEnded, Hook, Waited, Waiting
from isthmus.client.far import FarTime
from isthmus.client.judge import ACCEPTED, Failure, Judge, by_status, error_of
from isthmus.client.message import Request, Response
from isthmus.client.redirect import STATUSES, follow
from isthmus.client.retry import Again, Outcome, Retry, RetryBudget, Situation
from isthmus.client.transport.port import Flight

if TYPE_CHECKING:
    from isthmus.client.auth.port import Auth
    from isthmus.client.limiter import Limiter
    from isthmus.client.transport.port import Exchange, Transport
    from isthmus.kit.chance import Draw
    from isthmus.kit.clock import Clock

_log = logging.getLogger("isthmus.client")
_MAX_AUTH_STEPS = 3
_JUDGED_CAP = 8 * 1024 * 1024
#: Seconds of waiting after which a call asks whether it may still leave.
_LONG = 1.0
_WORTH_ANOTHER = frozenset({"truncated", "http", "encoding"})


@dataclass(frozen=True, slots=True)
class Gate:
    """One of the limits a call passes; key: a text, or a function of the request and the route.

    share: whose calls they are that wait, where the call does not say; of those that share a limit each has its turn.
    urgent: all calls through this gate are, and what they are answered says nothing of the limit; for token endpoints,
    which have limits of their own beside the one that counts everything.
    """

    limiter: Limiter
    key: str | Callable[[Request, str | None], str] = ""
    share: str = ""
    urgent: bool = False

    def key_of(self, call: Call) -> str:
        """The key this call counts under."""
        return self.key if isinstance(self.key, str) else self.key(call.request, call.route)


@dataclass(slots=True)
class Pipeline:
    """The parts of one client, put together."""

    transport: Transport
    retry: Retry
    clock: Clock
    draw: Draw
    auth: Auth | OAuth2 | None = None
    gates: tuple[Gate, ...] = ()
    breaker: Breaker | None = None
    judge: Judge | None = None
    redirects: int = 3
    hooks: tuple[Hook, ...] = ()
    budgets: dict[str, RetryBudget] = field(default_factory=dict)
    #: How far the far side's clock is ahead of ours, as far as signatures go.
    ahead: timedelta = timedelta()
    #: What it shows, by the newest answer.
    far: FarTime = field(init=False)

    def __post_init__(self) -> None:
        self.far = FarTime(self.clock)

    async def run(self, call: Call) -> Response:
        """Carry the call to its end. Raises the errors of the tree; the caller keeps the deadline."""
        budget = self._budget(call.request.url.host)
        budget.called()
        while True:
            call.attempts += 1
            try:
                response, failure = await self._attempt(call)
            except (BreakerOpen, Withdrawn) as error:
                error.attempts = call.attempts = call.attempts - 1
                # What ended this very call must not hide what the far side said of it, or that it says nothing.
                if call.last is None:
                    raise
                raise call.last from error
            except ClientError as error:
                error.attempts = call.attempts
                await self._after_error(call, error, budget)
                continue
            if failure is None:
                return self._finished(call, response)
            if failure.kind == "token" and await self._renewed(call):
                continue
            if self._follow_clock(call, failure):
                continue
            await self._after_failure(call, response, failure, budget)

    def _follow_clock(self, call: Call, failure: Failure) -> bool:
        """Go by the far side's clock from now on; whether this call, which it refused unread, may be signed anew."""
        if failure.far_time is None or call.reclocked or not call.replayable:
            return False
        call.reclocked = True
        self.ahead = failure.far_time - self.clock.now()
        _log.warning(
            "our clock and that of %s differ by %.0f seconds; its own is used there until ours is set right",
            call.request.url.host,
            self.ahead.total_seconds(),
        )
        return True

    def _finished(self, call: Call, response: Response) -> Response:
        response.attempts = call.attempts
        response.waited = call.waited
        response.duration = self.clock.monotonic() - call.started
        return response

    async def _after_error(self, call: Call, error: ClientError, budget: RetryBudget) -> None:
        again = isinstance(error, ConnectFailed | Disconnected) or (
            isinstance(error, MalformedBody) and error.reason in _WORTH_ANOTHER
        )
        error.retry_safe = error.retry_safe or (again and call.idempotent)
        outcome = Outcome(transient=again, untouched=not error.sent, retry_after=None)
        call.last = error
        if not await self._again(call, outcome, budget):
            raise error

    async def _after_failure(self, call: Call, response: Response, failure: Failure, budget: RetryBudget) -> None:
        wish = failure.retry_after
        if wish is None and failure.kind in {"throttled", "transient"}:
            wish = retrying.retry_after(response.headers, self.clock.now())
        throttled = failure.kind == "throttled"
        if throttled:
            for gate in self._heeding():
                gate.limiter.narrow(gate.key_of(call), retry_after=wish, throttled=True)
        outcome = Outcome(
            transient=self._transient(response, failure),
            untouched=throttled or failure.kind == "token",
            retry_after=wish,
        )
        error = error_of(failure, response)
        error.attempts, error.retry_after = call.attempts, wish
        error.retry_safe = error.retry_safe or (outcome.transient and call.idempotent)
        call.last = error
        # A throttle is not an outage: the limiter has been narrowed, which already keeps repeats from multiplying.
        if not await self._again(call, outcome, None if throttled and self.gates else budget):
            raise error

    def _transient(self, response: Response, failure: Failure) -> bool:
        if failure.code is not None and failure.code in self.retry.codes:
            return True
        if self.judge is not None and response.status < 400:
            return failure.kind in {"throttled", "transient"}
        return response.status in frozenset(self.retry.retry_on) or (
            self.judge is not None and failure.kind in {"throttled", "transient"}
        )

    async def _renewed(self, call: Call) -> bool:
        """Whether other credentials are there and the call may go out once more with them."""
        if not isinstance(self.auth, OAuth2) or call.tokens is None or call.replayed or not call.replayable:
            return False
        call.replayed = True
        await self.auth.force(call.tokens)
        return True

    async def _again(self, call: Call, outcome: Outcome, budget: RetryBudget | None) -> bool:
        if not call.replayable and call.flight.sent:
            return False
        situation = Situation(
            attempt=call.attempts - call.replayed,
            idempotent=call.idempotent,
            remaining=call.deadline_at - self.clock.monotonic(),
            budget=budget is None or budget.has_one(),
            draw=self.draw(),
        )
        decision = retrying.decide(self.retry, outcome, situation)
        if not isinstance(decision, Again):
            return False
        if budget is not None:
            budget.spend()
        if decision.delay > 0:
            call.waited += decision.delay
            self.tell_wait(call, decision.delay, "retry")
            await self.clock.sleep(decision.delay)
        return True

    async def _attempt(self, call: Call) -> tuple[Response, Failure | None]:
        breaker = self.breaker
        key = ""
        if breaker is not None:
            key = breaker.key_of(call.request.url.host, call.route)
            breaker.refuse(key, self.clock.monotonic())
        for at, gate in enumerate(self.gates):
            try:
                await self._pass(call, gate)
            except BaseException:
                self._give_back(call, at)
                raise
        if call.may_leave is not None and call.waited >= call.vouched + _LONG:
            await self._vouch(call, call.may_leave)
        if breaker is None:
            return await self._sent(call, None)
        try:
            permit = breaker.admit(key, self.clock.monotonic())
        except ClientError:
            self._give_back(call, len(self.gates))
            raise
        try:
            return await self._sent(call, permit)
        finally:
            permit.close(self.clock.monotonic())

    async def _vouch(self, call: Call, may_leave: Callable[[], Awaitable[bool]]) -> None:
        """Take a call back that has outlived what it was made for. Raises Withdrawn."""
        call.vouched = call.waited
        leaves = False
        try:
            leaves = await may_leave()
        finally:
            if not leaves:
                self._give_back(call, len(self.gates))
        if not leaves:
            raise Withdrawn("nothing may leave there any more")

    async def _pass(self, call: Call, gate: Gate) -> None:
        key = gate.key_of(call)
        urgent = call.urgent or gate.urgent
        expected = gate.limiter.try_acquire(key, call.weight, urgent)
        if expected == 0.0:
            return
        if self.hooks:
            self.tell(Waiting(call.request, expected, "rate_limit", call.route))
        patience = call.deadline_at - self.clock.monotonic()
        waited = await gate.limiter.acquire(
            key, call.weight, share=call.share or gate.share, urgent=urgent, patience=patience
        )
        if waited > 0:
            call.waited += waited
            self.tell_wait(call, waited, "rate_limit")

    def _give_back(self, call: Call, passed: int) -> None:
        for gate in self.gates[:passed]:
            gate.limiter.give_back(gate.key_of(call), call.weight, urgent=call.urgent or gate.urgent)

    def _heeding(self) -> Iterator[Gate]:
        return (gate for gate in self.gates if not gate.urgent)

    async def _sent(self, call: Call, permit: Permit | None) -> tuple[Response, Failure | None]:
        started = self.clock.monotonic()
        failure: Failure | None = None
        error: ClientError | None = None
        response: Response | None = None
        try:
            auth = self.auth
            if auth is None:
                response = await self._followed(call, call.request)
            else:
                response = await self._authenticated(call, auth)
            failure = self._judged(call, response)
            if permit is not None:
                permit.answered(ok=failure is None or failure.kind != "transient")
            if failure is None:
                self._heed(call, response)
            return response, failure
        except ClientError as caught:
            error = caught
            if permit is not None and isinstance(caught, ConnectFailed | Disconnected):
                permit.answered(ok=False)
            raise
        finally:
            if self.hooks:
                took = self.clock.monotonic() - started
                self.tell(AttemptEnded(call.request, call.attempts, took, response, failure, error, call.route))

    def _judged(self, call: Call, response: Response) -> Failure | None:
        if self.judge is not None and call.exchange is None and response.status != 304:
            failure = self.judge(response)
            if failure is not None:
                return failure if failure is not ACCEPTED else None
        return by_status(response) if response.status >= 400 else None

    def _heed(self, call: Call, response: Response) -> None:
        if call.tokens is not None and isinstance(self.auth, OAuth2):
            self.auth.worked(call.tokens)
        if not self.gates:
            return
        left = retrying.remaining(response.headers)
        if left is None:
            return
        for gate in self._heeding():
            if left <= 0:
                reset = retrying.reset_after(response.headers, self.clock.now())
                gate.limiter.narrow(gate.key_of(call), retry_after=reset)
            else:
                gate.limiter.narrow(gate.key_of(call), remaining=left)

    async def _authenticated(self, call: Call, auth: Auth | OAuth2) -> Response:
        request = call.request
        if isinstance(auth, OAuth2):
            call.tokens = tokens = await auth.current()
            return await self._followed(call, auth.attach(request, tokens, self.clock.now() + self.ahead))
        flow = auth.flow(request, self.clock.now() + self.ahead)
        response = await self._followed(call, next(flow))
        for _ in range(_MAX_AUTH_STEPS - 1):
            try:
                following = flow.send(response)
            except StopIteration:
                return response
            response = await self._followed(call, following)
        flow.close()
        return response

    async def _followed(self, call: Call, request: Request) -> Response:
        most = self.redirects if call.redirects is None else call.redirects
        response = await self._exchanged(call, request, most)
        hops = 0
        while response.status in STATUSES and most:
            hops += 1
            if hops > most:
                raise RedirectRefused(f"more than {most} redirects", sent=True)
            request = follow(request, response.status, response.headers.get("Location"))
            response = await self._exchanged(call, request, most)
        return response

    async def _exchanged(self, call: Call, request: Request, redirects: int) -> Response:
        # Each attempt is a flight of its own: whatever was sent before was refused unread or may be repeated.
        flight, sent = Flight(), self.clock.now()
        call.flight = flight
        exchange = await self.transport.send(request, flight)
        self.far.heard(exchange.headers.get("Date"), sent)
        if call.streaming and exchange.status < 400 and not (redirects and exchange.status in STATUSES):
            call.exchange = exchange
            return Response(exchange.status, exchange.headers, b"", request)
        # What is judged is read whole, however much of a good reply the caller would take piece by piece.
        limit = min(call.max_body, _JUDGED_CAP) if call.streaming else call.max_body
        try:
            content = await exchange.read(limit)
        except BaseException:
            exchange.abort()
            raise
        return _response(exchange, content, request, limit)

    def tell_wait(self, call: Call, seconds: float, cause: str) -> None:
        """Let the hooks know that a call waited or is about to."""
        if self.hooks:
            self.tell(Waited(call.request, seconds, cause, call.route))

    def tell(self, event: object) -> None:
        """Hand an event to every hook."""
        for hook in self.hooks:
            hook(event)

    def _budget(self, host: str) -> RetryBudget:
        found = self.budgets.get(host)
        if found is None:
            if len(self.budgets) >= 10_000:
                self.budgets.clear()
            found = self.budgets[host] = RetryBudget(self.retry.budget, self.retry.burst)
        return found


def _response(exchange: Exchange, content: bytes, request: Request, limit: int) -> Response:
    headers = exchange.headers
    if content:
        encoding = encoding_of(headers.get("Content-Encoding"))
        if encoding:
            content = unpack(content, encoding, limit)
    return Response(exchange.status, headers, content, request)
