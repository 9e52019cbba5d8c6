"""Calls functions for what one claim took: lanes side by side, and within a lane one after the other."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from isthmus.features.webhooks_in.service import acting
from isthmus.features.webhooks_in.service.acting import Job, Outcome
from isthmus.features.webhooks_in.service.handlers import Handler
from isthmus.features.webhooks_in.service.planning import Expressions
from isthmus.features.webhooks_in.settings import Settings
from isthmus.scope import Scope

#: Handed back without an attempt: its turn has not come.
LATER: Final = Outcome("later")
#: What was done is written down about so often: no more than this is done twice after a death.
_PIECE: Final = 1.0

#: What is to be done one after the other, under its name; without a name for what stands alone.
Lane = tuple[str | None, deque[Job]]


def in_lanes(jobs: Sequence[Job], lanes: Mapping[str, str | None]) -> list[Lane]:
    """The jobs in their lanes, by the delivery; each that has none stands alone."""
    named: dict[str, deque[Job]] = {}
    alone: list[Lane] = []
    for job in jobs:
        lane = lanes[job.subject.id]
        if lane is None:
            alone.append((None, deque([job])))
        else:
            named.setdefault(lane, deque()).append(job)
    return [*named.items(), *alone]


async def some(
    scope: Scope, function: Handler, sources: Mapping[str, Expressions], lanes: Sequence[Lane]
) -> dict[str, Outcome]:
    """Call for what stands first, and go on for about a second. What was called for leaves its lane.

    Behind a failure nothing of its lane is called for: all of it is handed back.
    """
    ends = scope.clock.monotonic() + _PIECE
    slots = asyncio.Semaphore(scope.part(Settings).calls_at_once)
    found: dict[str, Outcome] = {}

    async def follow(jobs: deque[Job]) -> None:
        while jobs:
            async with slots:
                if found and scope.clock.monotonic() >= ends:
                    return
                job = jobs.popleft()
                outcome = await acting.call(scope, function, sources.get(job.subject.source_id), job)
            found[job.subject.id] = outcome
            if outcome.kind == "failed":
                found.update((behind.subject.id, LATER) for behind in jobs)
                jobs.clear()

    await asyncio.gather(*(follow(jobs) for _, jobs in lanes))
    return found
