"""Whose API key is shown, and when each was last used (security.md AK-01, AK-03, AK-05, AK-07, RL-02)."""

import asyncio
import contextlib
import hmac
import logging
from datetime import datetime

from isthmus.features.access.model import keys as model
from isthmus.features.access.model.keys import Mode
from isthmus.features.access.service.keys import Rights
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import keys as store
from isthmus.http import Credentials, Verified
from isthmus.kit.errors import Problem, Unauthenticated
from isthmus.kit.permissions import PUBLISHABLE, Principal
from isthmus.scope import System

ISSUER = "isthmus"
_LOG = logging.getLogger("isthmus.access")


class LastUsed:
    """Remembers when each key was last used, and writes it down once a minute; what is written never goes back."""

    def __init__(self, system: System, settings: Settings) -> None:
        self._system = system
        self._settings = settings
        self._seen: dict[tuple[str, str], datetime] = {}

    def note(self, tenant_id: str, key_id: str) -> None:
        """This key is used now. Beyond its bounds it forgets the use, not the key."""
        place = (tenant_id, key_id)
        if place in self._seen or len(self._seen) < self._settings.keys_remembered:
            self._seen[place] = self._system.now

    async def flush(self) -> None:
        """Write down what was noted; it stays noted when that fails. Raises Unavailable."""
        taken, self._seen = self._seen, {}
        if not taken:
            return
        try:
            async with self._system.tx() as tx:
                await store.update_used(tx, dict(sorted(taken.items())))
        except BaseException:
            self._seen = {**taken, **self._seen}
            raise

    async def run(self, stop: asyncio.Event) -> None:
        """Flush every minute, and once more at the end."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.key_use_flush.total_seconds()):
                    await stop.wait()
            try:
                await self.flush()
            except Problem as problem:
                _LOG.warning("the last use of keys could not be written: %s", problem.message)


class KeyAuthenticator:
    """Tells who shows an API key. A key without the right checksum costs no statement; every refusal is the same."""

    def __init__(self, system: System, used: LastUsed) -> None:
        self._system = system
        self._used = used

    async def verify(self, credentials: Credentials) -> Verified | None:
        """The key's principal; None for what is not an API key. Raises Unauthenticated, Unavailable."""
        if credentials.kind != "key":
            return None
        if not model.is_key(credentials.text):
            raise Unauthenticated
        digest = model.digest(credentials.text)
        async with self._system.tx() as tx:
            found = await store.opening(tx, digest, self._system.now)
        same = hmac.compare_digest(digest, found.digest if found else bytes(len(digest)))
        if found is None or not same:
            raise Unauthenticated
        self._used.note(found.tenant_id, found.key.id)
        return Verified(self._principal(found), _end(found.key.expires_at))

    def _principal(self, found: store.Found) -> Principal:
        known = self._system.engine.part(Rights).known
        reach = model.reach(found.key.permissions, found.creator_roles, known)
        if found.key.mode is not Mode.PUBLISHABLE:
            return Principal(
                "key",
                found.key.id,
                ISSUER,
                found.tenant_id,
                permissions=reach,
                on_behalf_of=found.key.created_by,
            )
        return Principal(
            PUBLISHABLE,
            found.key.id,
            ISSUER,
            found.tenant_id,
            permissions=reach,
            origins=frozenset(found.key.origins),
            per_minute=found.key.per_minute,
            on_behalf_of=found.key.created_by,
        )


def _end(expires_at: datetime | None) -> float:
    return float("inf") if expires_at is None else expires_at.timestamp()
