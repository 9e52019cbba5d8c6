"""Durable work as wake-ups: a row says "look at this object", never what to do with it.

What is to be done stands in the rooms' own state tables. A wake-up may come twice, late, or together with another one
for the same object; a lost one is made again by the reconciler.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from isthmus.engine.db import Tx

_ADDRESS = "/"


@dataclass(frozen=True, slots=True)
class Wake:
    """Wake `job` for the object `key` of a tenant, `after` a while; a higher lane goes first."""

    job: str
    key: str
    tenant_id: str
    after: timedelta | None = None
    lane: int = 0
    #: How often this wake-up has failed before; set on arrival.
    attempt: int = 0
    #: It is due now by its own record: for `enqueue_missing` a wake-up for a later time does not stand for this one.
    due: bool = False


@dataclass(frozen=True, slots=True)
class Depth:
    """How many wake-ups of a job wait or are at work, and for how long the oldest has been due."""

    job: str
    queued: int
    running: int
    oldest_seconds: float
    #: Given up for a while, or until somebody sends them again.
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Parked:
    """A wake-up that killed its workers or failed again and again; `until` is None where only a resend frees it."""

    job: str
    key: str
    tenant_id: str
    reason: str
    since: datetime
    until: datetime | None


def addressed(job: str, address: str) -> str:
    """The job of a wake-up that only processes take which have this address (see `Queue.take`)."""
    return f"{job}{_ADDRESS}{address}"


def plain(job: str) -> str:
    """The job without the address of those whom it wakes."""
    return job.partition(_ADDRESS)[0]


class Postponed(Exception):
    """Raised by a handler: wake me again after `delay`; nothing has failed."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(f"again in {delay.total_seconds():g} s")
        self.delay = delay


Handler = Callable[[Wake], Awaitable[None]]


class Queue(Protocol):
    """What the rest of the house knows of durable work."""

    @property
    def stopping(self) -> asyncio.Event:
        """Set once this process is to stop: a long handler that can hand its work back need not use up the grace."""
        ...

    @property
    def crowded(self) -> bool:
        """Whether every place of this process that bulk jobs may take is taken: a long one may give its place up."""
        ...

    async def enqueue(
        self, tx: Tx, job: str, key: str, *, tenant_id: str, after: timedelta | None = None, lane: int = 0
    ) -> None:
        """Wake `job` once the transaction has committed; nothing happens when it rolls back."""
        ...

    async def enqueue_all(self, tx: Tx, wakes: Sequence[Wake]) -> None:
        """Wake all these once the transaction has committed, in one statement."""
        ...

    async def enqueue_missing(self, tx: Tx, wakes: Sequence[Wake]) -> int:
        """Wake those that do not wait already, and return how many; for the reconciler alone, as the system.

        Those that say that they are `due` wait only where their wake-up is due too, or comes again after a failure.
        """
        ...

    def handler(self, job: str, *, counts_deaths: bool = False, bulk: bool = False) -> Callable[[Handler], Handler]:
        """Register the function that is woken. A failure wakes it again, later and later.

        `counts_deaths`: its objects count by themselves how often their worker died, and whether they got on in
        between: a long run that outlives many restarts is no poison (RL-06). `bulk`: it may take hours; bulk jobs go
        behind all others and never take every place of a process, so that what is short is not kept waiting.
        """
        ...

    def take(self, job: str, address: str, *, wanted: bool = True) -> None:
        """Take the wake-ups of `addressed(job, address)` too, or no more; those that nobody takes wait.

        The function of `job` is called for them. It may be said at any time, also while the queue runs.
        """
        ...

    async def forget(self, tx: Tx, job: str) -> int:
        """Forget the wake-ups of an addressed job that wait, as the system: nobody is to take them any more."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let what is in flight finish, or hand it back."""
        ...

    async def cancel(self, tx: Tx, key: str) -> int:
        """Forget the wake-ups of an object that wait, as the system; those at work notice by its state."""
        ...

    async def parked(self, tx: Tx, limit: int = 100) -> list[Parked]:
        """What was given up, the newest first, as the system."""
        ...

    async def resend(self, tx: Tx, job: str, key: str, *, tenant_id: str) -> bool:
        """Wake a parked object again, as the system; whether it was parked."""
        ...

    async def is_due(self, tx: Tx, jobs: Collection[str]) -> bool:
        """Whether any of these jobs waits for a worker or is at one, as the system."""
        ...

    async def stats(self, tx: Tx) -> list[Depth]:
        """What waits and what runs, per job, as the system."""
        ...
