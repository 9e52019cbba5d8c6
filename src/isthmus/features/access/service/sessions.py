"""Whose session is shown: roles and standing as they are now (security.md SE-05, JT-10)."""

import hmac

from isthmus.features.access.model import accounts as model
from isthmus.features.access.model.accounts import UserStatus
from isthmus.features.access.service.accounts import ISSUER
from isthmus.features.access.settings import Settings
from isthmus.features.access.store import accounts as store
from isthmus.http import Credentials, Verified
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.permissions import Principal
from isthmus.kit.secret import Secret
from isthmus.scope import System

_NOTED_SECONDS = 60


class SessionAuthenticator:
    """Tells who shows the token of a session; removal, change of roles and sign-out count at once where it is asked."""

    def __init__(self, system: System, settings: Settings) -> None:
        self._system = system
        self._settings = settings

    async def verify(self, credentials: Credentials) -> Verified | None:
        """The session's principal; None for what has not the form of one. Raises Unauthenticated, Unavailable."""
        if credentials.kind != "bearer" or not model.bears(credentials.text, model.SESSION):
            return None
        digest, now = model.digest(Secret(credentials.text)), self._system.now
        async with self._system.tx() as tx:
            found = await store.session(tx, digest)
            if found is None or not self._is_live(found, digest):
                raise Unauthenticated
            if (now - found.seen_at).total_seconds() >= _NOTED_SECONDS:
                await store.update_seen(tx, found.tenant_id, found.id, now)
        ends = min(found.ends_at, now + self._settings.session_idle)
        who = Principal("user", found.user.id, ISSUER, found.tenant_id, frozenset(found.user.roles))
        return Verified(who, ends.timestamp())

    def _is_live(self, found: store.Session, digest: bytes) -> bool:
        now = self._system.now
        in_time = now < found.ends_at and now < found.seen_at + self._settings.session_idle
        let_in = found.tenant_live and found.user.status is UserStatus.ACTIVE
        return hmac.compare_digest(found.digest, digest) and in_time and let_in
