"""The client's `TokenStore` over the vault: one connection's tokens, shared by all processes (OA-15, PR-06)."""

from dataclasses import replace
from datetime import datetime, timedelta

from isthmus.client import Lease, ReauthorizationRequired, RefreshUnavailable, Tokens
from isthmus.features.connections.errors import ConnectionNotFound
from isthmus.features.connections.events import Connected, Expired, Refreshed, ScopesChanged, Uncertain
from isthmus.features.connections.model import lease as model
from isthmus.features.connections.model.connection import INTEGRATION_STATUS, Status
from isthmus.features.connections.model.flow import scopes_changed
from isthmus.features.connections.service import sealing
from isthmus.features.connections.store import connections, tokens
from isthmus.kit import ids
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, Tx

_FIRST_POLL, _LONGEST_POLL = 0.03, 0.25


class VaultTokenStore:
    """Tokens of one connection.

    Each step locks the row, asks `model.lease`, and writes what it decides; no lock is held while an exchange runs.
    `previous` is the refresh token before the leased one, while the leased pair has not worked yet.
    repeatable: asking twice costs nothing, since keys are traded and no refresh token is used up.
    """

    def __init__(self, scope: Scope, connection_id: str, *, repeatable: bool = False) -> None:
        self._scope = scope
        self._id = connection_id
        self._repeatable = repeatable
        self._denied_until = 0.0
        self._unproved: int | None = None
        self.previous: Secret | None = None

    async def load(self) -> Tokens:
        """The newest tokens. Raises ReauthorizationRequired when the platform or a person ended the grant."""
        async with self._scope.tx() as tx:
            held = await self._held(tx)
            if held.state.status in {Status.PENDING, Status.EXPIRED}:
                raise ReauthorizationRequired(_ended(held.state))
            return await sealing.open_tokens(self._scope, tx, self._id, held)

    async def lease(self, seconds: float) -> Lease | None:
        """See the protocol. Raises RefreshUnavailable while postponed, ReauthorizationRequired when nothing helps."""
        wait = self._denied_until - self._scope.clock.monotonic()
        if wait > 0:
            raise RefreshUnavailable("the refresh is postponed", retry_after=wait)
        owner = ids.token(96)
        async with self._scope.tx() as tx:
            held = await self._held(tx, lock=True)
            step = model.lease(held.state, owner, held.at, timedelta(seconds=seconds))
            if isinstance(step, model.Taken):
                await tokens.update_lease(tx, self._id, step.state, self._scope.now)
                self.previous = await sealing.open_previous(self._scope, tx, self._id, held)
                return Lease(owner, await sealing.open_tokens(self._scope, tx, self._id, held), step.uncertain)
            if step.state != held.state:
                await self._write(tx, held, step.state)
                tx.emit(Uncertain(subject=self._id, body={"reason": step.state.reason or ""}))
        self._turn_away(step, held)
        return None

    def _turn_away(self, denied: model.Denied, held: tokens.Held) -> None:
        if denied.why is model.Denial.HELD:
            return
        if denied.why is model.Denial.POSTPONED and denied.state.retry_at is not None:
            wait = (denied.state.retry_at - held.at).total_seconds()
            # Asked again at every call while the token endpoint is down, so the answer is kept for a moment.
            self._denied_until = self._scope.clock.monotonic() + min(wait, 1.0)
            raise RefreshUnavailable("the refresh is postponed", retry_after=wait)
        raise ReauthorizationRequired(_ended(denied.state))

    async def sending(self, lease: Lease) -> None:
        """See the protocol. Raises RefreshUnavailable when the lease has passed to another."""
        if self._repeatable:
            return
        async with self._scope.tx() as tx:
            held = await self._held(tx, lock=True)
            state = model.sending(held.state, lease.owner, held.at)
            if state is None:
                raise RefreshUnavailable("the lease ended before the exchange began", retry_after=1.0)
            await tokens.update_lease(tx, self._id, state, self._scope.now)

    async def swap(self, lease: Lease, fresh: Tokens) -> bool:
        """See the protocol."""
        async with self._scope.tx() as tx:
            held = await self._held(tx, lock=True)
            state = model.swapped(held.state, lease.tokens.version)
            if state is None:
                return False
            granted = fresh if fresh.scope else replace(fresh, scope=held.scope)
            sealed = await sealing.seal_tokens(self._scope, tx, self._id, state.version, granted)
            await tokens.update_pair(tx, self._id, state, sealed, self._scope.now)
            tx.emit(Refreshed(subject=self._id, body={"version": state.version}))
            changed = scopes_changed(held.scope, fresh.scope)
            if changed is not None:
                tx.emit(ScopesChanged(subject=self._id, body=changed))
            if held.state.status is not Status.CONNECTED:
                await connections.update_integration_of(tx, self._id, "connected", self._scope.now)
                tx.emit(Connected(subject=self._id))
        self._unproved = state.version
        return True

    async def refused(self, lease: Lease, reason: str) -> None:
        """See the protocol."""
        async with self._scope.tx() as tx:
            held = await self._held(tx, lock=True)
            state = model.refused(held.state, lease.owner, lease.tokens.version, reason)
            if state is not None:
                await self._write(tx, held, state)
                tx.emit(Expired(subject=self._id, body={"reason": state.reason or ""}))

    async def postponed(self, lease: Lease, retry_at: datetime) -> None:
        """See the protocol. The wait counts from the database's time."""
        wait = retry_at - self._scope.now
        async with self._scope.tx() as tx:
            held = await self._held(tx, lock=True)
            later = held.at + wait if wait > timedelta(0) else None
            state = model.postponed(held.state, lease.owner, later)
            if state is not None:
                await self._write(tx, held, state)

    async def changed(self, version: int, timeout: float) -> None:
        """See the protocol; also returns when the lease has ended without a change."""
        clock = self._scope.clock
        until, pause = clock.monotonic() + timeout, _FIRST_POLL
        while (left := until - clock.monotonic()) > 0:
            await clock.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_POLL)
            async with self._scope.tx() as tx:
                found = await tokens.version(tx, self._id)
            if found is None or found[0] != version or found[1]:
                return

    async def worked(self, version: int) -> None:  # house: silent - nothing changes that anybody could see
        """The far side accepted this generation: the one before is not needed any more."""
        if self._unproved != version:
            return
        self._unproved = None
        async with self._scope.tx() as tx:
            await tokens.update_proved(tx, self._id, version)

    def unproved(self, version: int) -> bool:
        """Whether this process stored the generation and has not seen it work."""
        return self._unproved == version

    async def _held(self, tx: Tx, *, lock: bool = False) -> tokens.Held:
        held = await tokens.load(tx, self._id, lock=lock)
        if held is None:
            raise ReauthorizationRequired(ConnectionNotFound().message)
        return held

    async def _write(self, tx: Tx, held: tokens.Held, state: model.Refresh) -> None:
        await tokens.update_lease(tx, self._id, state, self._scope.now)
        if state.status is not held.state.status:
            await connections.update_integration_of(tx, self._id, INTEGRATION_STATUS[state.status], self._scope.now)


def _ended(state: model.Refresh) -> str:
    return state.reason or f"the connection is {state.status.value}"
