"""What was refused to somebody who is known stands in the log too (security.md AU-06)."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from isthmus.features.audit.events import AccessRefused
from isthmus.features.audit.settings import Settings
from isthmus.http import RequestFacts
from isthmus.kit.errors import Problem
from isthmus.kit.permissions import Principal
from isthmus.scope import Scope, System

_LOG = logging.getLogger("isthmus.audit")
_MOST = 1_000


@dataclass(slots=True)
class _Refused:
    """A refusal that waits to be written, and how often it happened since the last time."""

    principal: Principal
    facts: RequestFacts
    asked: str
    code: str
    times: int = 1


class Refusals:
    """Collects refusals beside the requests, which wait for nothing, and writes each kind once in a few seconds."""

    def __init__(self, system: System, settings: Settings) -> None:
        self._system = system
        self._pause = settings.refusals.total_seconds()
        self._waiting: dict[tuple[str, str, str, str], _Refused] = {}

    def note(self, principal: Principal, facts: RequestFacts, asked: str, code: str) -> None:
        """Somebody was refused something. Beyond its bounds it forgets what is new, not what it knows."""
        place = (principal.tenant_id, principal.id, asked, code)
        known = self._waiting.get(place)
        if known is not None:
            known.times += 1
        elif len(self._waiting) < _MOST:
            self._waiting[place] = _Refused(principal, facts, asked, code)

    async def flush(self) -> None:
        """Write down what was noted; it stays noted when that fails. Raises Unavailable."""
        while self._waiting:
            place = next(iter(self._waiting))
            one = self._waiting.pop(place)
            try:
                await self._write(one)
            except BaseException:
                since = self._waiting.pop(place, None)
                one.times += 0 if since is None else since.times
                self._waiting[place] = one
                raise

    async def _write(self, one: _Refused) -> None:
        who, facts = one.principal, one.facts
        scope = Scope(who.tenant_id, who, self._system.engine, self._system.clock, *facts)
        async with scope.tx() as tx:
            tx.emit(AccessRefused(subject=one.asked, body={"code": one.code, "times": one.times}))

    async def run(self, stop: asyncio.Event) -> None:
        """Flush every few seconds, and once more at the end."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await stop.wait()
            try:
                await self.flush()
            except Problem as problem:
                _LOG.warning("refusals could not be written to the audit log: %s", problem.message)
