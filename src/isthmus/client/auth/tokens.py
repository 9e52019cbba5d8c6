"""Tokens and the port that keeps them: one owner at a time, stored before use (security.md OA-15, PR-06)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol

from isthmus.kit import ids
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.secret import Secret

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Tokens:
    """One generation of credentials; `version` grows by one with each that is stored."""

    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    scope: tuple[str, ...] = ()
    version: int = 0
    extra: Mapping[str, str] = field(default_factory=lambda: _NONE)

    def expired(self, now: datetime) -> bool:
        """Whether the access token can no longer be used."""
        return not self.access_token or (self.expires_at is not None and now >= self.expires_at)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to refresh, held by `owner`; `tokens` were read under it.

    uncertain: a previous holder wrote `sending` and died before it told how that ended, so the refresh token may
    already have been spent.
    """

    owner: str
    tokens: Tokens
    uncertain: bool = False


class TokenStore(Protocol):
    """Where the tokens of one connection live, shared by all processes.

    A store calls nothing back and holds no row lock while a lease is out. Every write but `lease` is a
    compare-and-set on the lease's owner and the version.
    """

    async def load(self) -> Tokens:
        """The newest tokens."""
        ...

    async def lease(self, seconds: float) -> Lease | None:
        """Take the right to refresh for `seconds`; None while another holds it or a postponement lasts."""
        ...

    async def sending(self, lease: Lease) -> None:
        """Write "sending since now" durably; called before the first byte of an exchange leaves."""
        ...

    async def swap(self, lease: Lease, tokens: Tokens) -> bool:
        """Store the new pair as version + 1 and end the lease; False if the version or the owner has changed."""
        ...

    async def refused(self, lease: Lease, reason: str) -> None:
        """The platform refused for good: mark the connection expired and end the lease."""
        ...

    async def postponed(self, lease: Lease, retry_at: datetime) -> None:
        """End the lease without a change; nobody tries before `retry_at` (a time not in the future: at once)."""
        ...

    async def changed(self, version: int, timeout: float) -> None:
        """Return when a version other than `version` has been stored, or after `timeout` seconds."""
        ...


class MemoryTokenStore:
    """Tokens of one process, for scripts and tests; the rules are those of every store."""

    def __init__(self, tokens: Tokens, *, clock: Clock = SYSTEM) -> None:
        self.tokens = tokens
        self.refusal: str | None = None
        self._clock = clock
        self._lease: tuple[str, datetime] | None = None
        self._retry_at: datetime | None = None
        self._sending = False
        self._news = asyncio.Event()

    async def load(self) -> Tokens:
        return self.tokens

    async def lease(self, seconds: float) -> Lease | None:
        now = self._clock.now()
        if self._lease is not None and now < self._lease[1]:
            return None
        if self._retry_at is not None and now < self._retry_at:
            return None
        owner = ids.token(96)
        self._lease = (owner, now + timedelta(seconds=seconds))
        return Lease(owner, self.tokens, self._sending)

    def _holds(self, lease: Lease) -> bool:
        return self._lease is not None and self._lease[0] == lease.owner

    async def sending(self, lease: Lease) -> None:
        if not self._holds(lease):
            raise RuntimeError("the lease has passed to another")
        self._sending = True

    async def swap(self, lease: Lease, tokens: Tokens) -> bool:
        if not self._holds(lease) or self.tokens.version != lease.tokens.version:
            return False
        self.tokens = replace(tokens, version=lease.tokens.version + 1)
        self._end()
        return True

    async def refused(self, lease: Lease, reason: str) -> None:
        if self._holds(lease):
            self.refusal = reason
            self._end()

    async def postponed(self, lease: Lease, retry_at: datetime) -> None:
        if self._holds(lease):
            self._end()
            self._retry_at = retry_at

    async def changed(self, version: int, timeout: float) -> None:
        if self.tokens.version != version:
            return
        news = self._news
        try:
            async with asyncio.timeout(timeout):
                await news.wait()
        except TimeoutError:
            return

    def _end(self) -> None:
        self._lease, self._retry_at, self._sending = None, None, False
        self._news.set()
        self._news = asyncio.Event()
