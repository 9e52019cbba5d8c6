"""OAuth2 as one policy over a `TokenStore`: refreshed ahead, once at a time, stored before use (security.md OA-15).

A valid token goes on being used while the token endpoint is down; a definitive refusal ends at once in
`ReauthorizationRequired`; the far side calling a token dead costs one forced refresh and one replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from isthmus.client import redact
from isthmus.client.auth.tokens import Lease, Tokens, TokenStore
from isthmus.client.errors import (
    ClientError,
    PlatformError,
    ReauthorizationRequired,
    RefreshUnavailable,
    TokenRejected,
)
from isthmus.client.message import Request
from isthmus.kit import chance, ids
from isthmus.kit.clock import SYSTEM, Clock

_FOREVER = datetime.max.replace(tzinfo=UTC)
_LEASE_MARGIN = 10.0
_POLL = 2.0
_PAUSE = 1.0
#: A platform that refuses fresh tokens is asked for others once in so long; one that ended them meanwhile gives some.
_UNPROVEN_SECONDS = 60.0


class RefreshRefused(Exception):
    """Raised by an exchange: the platform will never take this refresh token again."""


class RefreshFailed(Exception):
    """Raised by an exchange: no verdict; it may work later. `sent`: whether the request left."""

    def __init__(self, message: str = "", *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


def bearer(request: Request, tokens: Tokens, _now: datetime) -> Request:
    """`Authorization: Bearer` with the access token (RFC 6750 section 2.1)."""
    return request.with_headers({"Authorization": "Bearer " + tokens.access_token.reveal()})


class OAuth2:
    """Credentials that expire.

    store: where the tokens live. exchange: the platform's own refresh; takes the present tokens, returns new ones,
    raises RefreshRefused or RefreshFailed; any ClientError is taken as a failure without verdict, but for a 401 or
    `invalid_grant`. attach: puts tokens on a request. margin: how long before expiry the refresh begins, jittered
    down to half. exchange_deadline: seconds an exchange may take; the lease is ten seconds longer.
    """

    def __init__(
        self,
        store: TokenStore,
        exchange: Callable[[Tokens], Awaitable[Tokens]],
        attach: Callable[[Request, Tokens, datetime], Request] = bearer,
        *,
        margin: timedelta = timedelta(minutes=5),
        exchange_deadline: float = 20.0,
        identity: str = "",
        clock: Clock = SYSTEM,
        draw: chance.Draw = chance.draw,
    ) -> None:
        self.identity = identity or ids.token(96)
        self._store = store
        self._exchange = exchange
        self.attach = attach
        self._margin = margin
        self._deadline = exchange_deadline
        self._lease_seconds = exchange_deadline + _LEASE_MARGIN
        self._clock = clock
        self._draw = draw
        self._tokens: Tokens | None = None
        self._due = _FOREVER
        self._task: asyncio.Task[Tokens] | None = None
        self._not_before = 0.0
        self._failures = 0
        self._lost_reply = False
        self._refusal: tuple[int, str] | None = None
        #: The version a forced refresh brought and no call has proved yet; it is not forced again for a while.
        self._unproven: int | None = None
        self._unproven_until = 0.0

    async def current(self) -> Tokens:
        """Tokens to send now; waits for a refresh only if they have expired.

        Raises ReauthorizationRequired and RefreshUnavailable.
        """
        now = self._clock.now()
        tokens = self._tokens
        if tokens is not None and now < self._due:
            return tokens
        if tokens is None or tokens.expired(now):
            tokens = self._adopt(await self._store.load(), now)
            if now < self._due:
                return tokens
        self._raise_refusal(tokens)
        if tokens.expired(now):
            return await self._renewed(tokens)
        # The store is asked behind the call: a valid token does not wait for it, nor does it need it to be there.
        if not self._busy():
            self._start(tokens)
        return tokens

    async def force(self, rejected: Tokens) -> Tokens:
        """Other tokens than `rejected`, which the far side calls dead. Raises TokenRejected if there can be none."""
        if self._unproven == rejected.version and self._clock.monotonic() < self._unproven_until:
            raise TokenRejected("the platform rejects a token that has just been refreshed", status=401)
        newest = self._tokens
        if newest is None or newest.version == rejected.version:
            newest = self._adopt(await self._store.load(), self._clock.now())
        if newest.version != rejected.version:
            return newest
        self._raise_refusal(rejected)
        fresh = await self._renewed(rejected)
        self._unproven, self._unproven_until = fresh.version, self._clock.monotonic() + _UNPROVEN_SECONDS
        return fresh

    def worked(self, tokens: Tokens) -> None:
        """The far side accepted these tokens."""
        if self._unproven is not None and self._unproven == tokens.version:
            self._unproven = None

    async def aclose(self) -> None:
        """Let a refresh under way end; a pair that has been sent for is never abandoned."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def _busy(self) -> bool:
        return self._task is not None or self._clock.monotonic() < self._not_before

    def _adopt(self, tokens: Tokens, now: datetime, *, fresh: bool = False) -> Tokens:
        if self._tokens is None or tokens.version != self._tokens.version or fresh:
            self._tokens = tokens
            self._due = self._due_of(tokens, now)
            if fresh:
                # A token that is born expired is used for a little while instead of being refreshed for ever.
                self._due = max(self._due, now + timedelta(seconds=30))
        return tokens

    def _due_of(self, tokens: Tokens, now: datetime) -> datetime:
        if tokens.expires_at is None:
            return now if not tokens.access_token else _FOREVER
        left = max(tokens.expires_at - now, timedelta(0))
        return tokens.expires_at - min(self._margin, left / 2) * (0.5 + 0.5 * self._draw())

    def _raise_refusal(self, tokens: Tokens) -> None:
        if self._refusal is not None and self._refusal[0] == tokens.version:
            raise ReauthorizationRequired(self._refusal[1])

    async def _renewed(self, tokens: Tokens) -> Tokens:
        wait = self._not_before - self._clock.monotonic()
        if self._task is None and wait > 0:
            raise RefreshUnavailable(retry_after=wait)
        # A caller that gives up must not break an exchange that others wait for, or whose bytes have left.
        return await asyncio.shield(self._task or self._start(tokens))

    def _start(self, tokens: Tokens) -> asyncio.Task[Tokens]:
        task = asyncio.get_running_loop().create_task(self._refresh(tokens), name="isthmus-refresh")
        self._task = task
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Tokens]) -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ClientError):
            # The store itself is in trouble: not every call asks it again.
            self._not_before = max(self._not_before, self._clock.monotonic() + _PAUSE)

    async def _refresh(self, known: Tokens) -> Tokens:
        until = self._clock.monotonic() + self._lease_seconds + self._deadline
        while True:
            taken_at = self._clock.monotonic()
            lease = await self._store.lease(self._lease_seconds)
            if lease is not None:
                return await self._with_lease(lease, known, taken_at)
            newest = await self._store.load()
            if newest.version != known.version:
                return self._adopt(newest, self._clock.now())
            if self._clock.monotonic() >= until:
                raise RefreshUnavailable("another process holds the refresh and does not finish", retry_after=_POLL)
            await self._store.changed(known.version, _POLL)
            await self._clock.sleep(0.02)

    async def _with_lease(self, lease: Lease, known: Tokens, taken_at: float) -> Tokens:
        if lease.tokens.version != known.version:
            await self._store.postponed(lease, self._clock.now())
            return self._adopt(lease.tokens, self._clock.now())
        await self._store.sending(lease)
        if self._clock.monotonic() - taken_at > _LEASE_MARGIN / 2:
            # Too much of the lease is gone: an exchange begun now could outlive it.
            await self._store.postponed(lease, self._clock.now())
            raise RefreshUnavailable("the token store is too slow", retry_after=1.0)
        return await self._send(lease)

    async def _send(self, lease: Lease) -> Tokens:
        try:
            async with asyncio.timeout(self._deadline):
                fresh = await self._exchange(lease.tokens)
        except RefreshRefused as error:
            await self._refuse(lease, str(error))
            raise ReauthorizationRequired(self._refusal[1] if self._refusal else "") from error
        except (RefreshFailed, ClientError, TimeoutError) as error:
            if _definitive(error):
                await self._refuse(lease, str(error))
                raise ReauthorizationRequired(self._refusal[1] if self._refusal else "") from error
            delay = await self._postpone(lease, error)
            raise RefreshUnavailable(retry_after=delay) from error
        return await self._keep(lease, fresh)

    async def _keep(self, lease: Lease, fresh: Tokens) -> Tokens:
        old = lease.tokens
        pair = replace(
            fresh,
            refresh_token=fresh.refresh_token or old.refresh_token,
            extra={**old.extra, **fresh.extra},
            version=old.version + 1,
        )
        if not await self._store.swap(lease, pair):
            pair = await self._store.load()
            if pair.version == old.version:
                raise RefreshUnavailable("the new tokens could not be stored", retry_after=1.0)
        self._failures, self._lost_reply, self._not_before = 0, False, 0.0
        return self._adopt(pair, self._clock.now(), fresh=True)

    async def _refuse(self, lease: Lease, reason: str) -> None:
        if lease.uncertain or self._lost_reply:
            reason = f"uncertain: an earlier refresh was sent and its reply lost; then: {reason}"
        reason = redact.text(reason, 500)
        self._refusal = (lease.tokens.version, reason)
        await self._store.refused(lease, reason)

    async def _postpone(self, lease: Lease, error: Exception) -> float:
        lost = isinstance(error, TimeoutError) or (
            isinstance(error, RefreshFailed | ClientError) and error.sent and not isinstance(error, PlatformError)
        )
        self._lost_reply = self._lost_reply or lost
        self._failures += 1
        asked = error.retry_after if isinstance(error, ClientError) else None
        delay = asked or min(300.0, 2.0 ** min(self._failures, 9)) * (0.5 + 0.5 * self._draw())
        self._not_before = self._clock.monotonic() + delay
        await self._store.postponed(lease, self._clock.now() + timedelta(seconds=delay))
        return delay


def _definitive(error: Exception) -> bool:
    return isinstance(error, TokenRejected) or (isinstance(error, PlatformError) and error.code == "invalid_grant")
