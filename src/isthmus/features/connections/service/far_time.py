"""Exchanges of codes and tokens where our clock is wrong: signed once more by the far side's, as other calls are."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from isthmus.client import PlatformError, RefreshFailed, Response, Tokens
from isthmus.connect.spi import Connector
from isthmus.kit.clock import Clock

T = TypeVar("T")


class Ahead:
    """A clock that goes by the far side's time."""

    def __init__(self, clock: Clock, ahead: timedelta) -> None:
        self._clock = clock
        self.ahead = ahead

    def now(self) -> datetime:
        return self._clock.now() + self.ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


async def asked(connector: Connector, clock: Clock, ask: Callable[[Clock], Awaitable[T]]) -> tuple[T, timedelta]:
    """What `ask` answers, and how far ahead the clock was that it was given at last.

    It is called a second time only where the platform says that our clock is wrong: such a request is refused unread,
    so a code or a token in it is not used up. Raises what `ask` raises.
    """
    try:
        return await ask(clock), timedelta(0)
    except (PlatformError, RefreshFailed) as error:
        refusal = error if isinstance(error, PlatformError) else error.__cause__
        reply = refusal.reply if isinstance(refusal, PlatformError) else None
        failure = connector.classify(reply) if isinstance(reply, Response) else None
        if failure is None or failure.far_time is None:
            raise
        ahead = failure.far_time - clock.now()
    return await ask(Ahead(clock, ahead)), ahead


def by_ours(tokens: Tokens, ahead: timedelta) -> Tokens:
    """The same tokens with their ends by our clock, which is what they will be compared with."""
    ends, refresh_ends = tokens.expires_at, tokens.refresh_expires_at
    return replace(
        tokens,
        expires_at=ends - ahead if ends is not None else None,
        refresh_expires_at=refresh_ends - ahead if refresh_ends is not None else None,
    )
