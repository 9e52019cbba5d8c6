"""Posts the newest checkpoint of the log to an address outside the house (security.md AU-04)."""

import asyncio
import contextlib
import logging
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from isthmus.client import NEVER, AddressGuard, ApiClient, ClientError
from isthmus.features.audit.model.checkpoints import Head
from isthmus.kit.clock import Clock
from isthmus.kit.secret import Secret

_LOG = logging.getLogger("isthmus.audit")
_DEADLINE_SECONDS = 5.0
_MAX_BYTES = 64 * 1024
_AGAIN_SECONDS = 30.0


class Poster:
    """Posts one at a time, beside the sealing; what came meanwhile is left out for the newest.

    What the other side does not take is posted again every half a minute, until there is something newer.
    """

    def __init__(self, address: Secret, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._next: tuple[Head, datetime] | None = None
        self._work: asyncio.Task[None] | None = None

    def tell(self, head: Head, made_at: datetime) -> None:
        """Post this one as soon as what is under way has ended."""
        self._next = (head, made_at)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._post_all())

    async def close(self) -> None:
        """Try once more what has not been taken, and stop."""
        if self._work is not None and not self._work.done():
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work
        if self._next is not None:
            await self._post(*self._next)

    async def _post_all(self) -> None:
        while (told := self._next) is not None:
            taken = await self._post(*told)
            if taken and self._next is told:
                self._next = None
            elif not taken:
                await self._clock.sleep(_AGAIN_SECONDS)

    async def _post(self, head: Head, made_at: datetime) -> bool:
        url = self._address.reveal()
        body = {"checkpoint": head.number, "hash": head.digest.hex(), "head": str(head), "madeAt": made_at.isoformat()}
        # an operator has named the host, so it may be an internal one; redirects may not lead elsewhere
        guard = AddressGuard(allow=(urlsplit(url).hostname or "",))
        try:
            async with ApiClient(guard=guard, retry=NEVER, breaker=None, redirects=0, max_body=_MAX_BYTES) as client:
                answer = await client.post(url, json=body, deadline=_DEADLINE_SECONDS)
        except ClientError as failure:
            _LOG.error("the head of the audit log could not be posted: %s", type(failure).__name__)
            return False
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            _LOG.error("the head of the audit log could not be posted: the answer is a redirect")
            return False
        return True
