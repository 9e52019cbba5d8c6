"""Which processes run: each writes every few seconds that it is there, and how much each tenant has of it.

One statement in two seconds is all that it costs. The rows are unlogged: after a crash of the database everybody
writes anew.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Column, DateTime, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from isthmus.engine.db import Database, platform_table
from isthmus.kit import ids
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.errors import Unavailable
from isthmus.kit.waiting import first_of

_LOG = logging.getLogger("isthmus.engine.presence")
_EVERY: Final = 2.0
#: Times of silence after which a process is gone.
_MISSED: Final = 3
#: Until the others have heard of a process it has so small a part of its share, for they still have more than theirs.
_NEW: Final = 4

PROCESSES = platform_table(
    "processes",
    Column("id", Text, primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False, server_default=sql("clock_timestamp()")),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    #: By the name of a cap: how much each tenant has of it in the process.
    Column("counts", JSONB, nullable=False),
)

#: How many others are there, and whether they have had the time to hear of this one.
_BEAT: Final = """
with mine as (
  insert into processes (id, seen_at, counts) values ($1, clock_timestamp(), $2)
  on conflict (id) do update set seen_at = excluded.seen_at, counts = excluded.counts
  returning since
), gone as (
  delete from processes where id <> $1 and seen_at < clock_timestamp() - $3::float8 * interval '1 second'
)
select (select since from mine) < clock_timestamp() - $4::float8 * interval '1 second' as known,
  (select count(*) from processes
   where id <> $1 and seen_at > clock_timestamp() - $3::float8 * interval '1 second')::integer as others
"""
_FULLEST: Final = """
select coalesce(max((counts -> $1 ->> $2)::bigint), 0)::bigint as used from processes
where id <> $3 and seen_at > clock_timestamp() - $4::float8 * interval '1 second'
"""
_TOTAL: Final = _FULLEST.replace("max(", "sum(", 1)
_LEAVE: Final = "delete from processes where id = $1"

#: How much each tenant has in this process; those that have nothing are left out.
Counts = Callable[[], Mapping[str, int]]


class Presence:
    """This process among the others; `app` makes one. Without `run`, as in a command, it counts as alone.

    every: seconds between two signs of life.
    """

    def __init__(self, database: Database, *, every: float = _EVERY, clock: Clock = SYSTEM) -> None:
        self._database = database
        self._every = every
        self._id = ids.new("prc", clock)
        self._counts: dict[str, Counts] = {}
        self._running = False
        #: Which part of the whole is this process's own: all, a half, a third.
        self._part = 1

    def tell(self, name: str, counts: Counts) -> None:
        """Let the others know how much each tenant has here, under the name of its cap."""
        self._counts[name] = counts

    def share(self, most: int) -> int:
        """This process's share of what all may have together: at least one.

        A process that has just come has a quarter of its share until the others have heard of it.
        """
        return max(1, most // self._part)

    async def run(self, stop: asyncio.Event) -> None:
        """Be there until `stop` is set; what works beside in the same process waits with it."""
        if self._running:
            await stop.wait()
            return
        self._running, self._part = True, _NEW
        try:
            while not stop.is_set():
                await self.beat()
                await first_of(stop, seconds=self._every)
        finally:
            self._running, self._part = False, 1
        try:
            async with self._database.system() as tx:
                await tx.execute_sql(_LEAVE, self._id)
        except Unavailable:
            _LOG.warning("the end of this process is not written down: the others hear of it by its silence")

    async def beat(self) -> None:
        """Write that this process is there, and hear of the others; while the database is away nothing changes."""
        quiet = self._every * _MISSED
        told = {name: dict(counts()) for name, counts in self._counts.items()}
        try:
            async with self._database.system() as tx:
                row = (await tx.fetch_sql(_BEAT, self._id, told, quiet, self._every))[0]
        except Unavailable:
            return
        processes = 1 + row["others"]
        self._part = processes if row["known"] or processes == 1 else processes * _NEW

    async def fullest(self, name: str, tenant_id: str) -> int:
        """How much the tenant has in the process in which it has the most, as of the last few seconds."""
        return max(self._here(name, tenant_id), await self._elsewhere(_FULLEST, name, tenant_id))

    async def total(self, name: str, tenant_id: str) -> int:
        """How much the tenant has in all processes together, as of the last few seconds."""
        return self._here(name, tenant_id) + await self._elsewhere(_TOTAL, name, tenant_id)

    def _here(self, name: str, tenant_id: str) -> int:
        counts = self._counts.get(name)
        return counts().get(tenant_id, 0) if counts is not None else 0

    async def _elsewhere(self, query: str, name: str, tenant_id: str) -> int:
        async with self._database.system() as tx:
            rows = await tx.fetch_sql(query, name, tenant_id, self._id, self._every * _MISSED)
        return int(rows[0]["used"])
