"""How calls of a connection bear its credentials: keys, a grant that is refreshed, or nothing (OA-15, VA-01)."""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import datetime

from isthmus.client import ApiClient, OAuth2, RefreshRefused, Request, Response, Tokens
from isthmus.connect.spi import Account, App, Connector
from isthmus.features.connections.service import far_time, sealing
from isthmus.features.connections.service.tokens import VaultTokenStore
from isthmus.kit.clock import Clock
from isthmus.kit.errors import Problem
from isthmus.kit.secret import Secret

NO_TOKENS = Tokens(Secret(""))


class Plain:
    """No credentials of its own; being an `Auth` it makes the client hold to its hosts."""

    identity = ""

    def flow(self, request: Request, now: datetime) -> Generator[Request, Response, None]:  # noqa: ARG002
        yield request


class Keys:
    """Keys, user names and passwords: the connector attaches them as it would an app's.

    previous: what they replaced a moment ago, tried where the far side does not know the new ones yet.
    """

    #: What the keys were traded for, where they are only being tried.
    tokens = NO_TOKENS

    def __init__(
        self, connector: Connector, app: App, account: Account, identity: str, previous: App | None = None
    ) -> None:
        self._connector = connector
        self._app = app
        self._previous = previous
        self._account = account
        self.identity = identity

    def flow(self, request: Request, now: datetime) -> Generator[Request, Response, None]:
        response = yield self._connector.attach(self._app, self._account, request, self.tokens, now)
        if self._previous is None:
            return
        failure = self._connector.classify(response)
        if failure is not None and failure.kind == "token":
            yield self._connector.attach(self._previous, self._account, request, NO_TOKENS, now)


class Grant(OAuth2):
    """OAuth2 over the vault, which also learns that a new pair works."""

    def __init__(self, store: VaultTokenStore, refresh: "Refresh", identity: str) -> None:
        connector, app, account = refresh.connector, refresh.app, refresh.account
        super().__init__(
            store,
            refresh,
            lambda request, tokens, now: connector.attach(app, account, request, tokens, now),
            exchange_deadline=refresh.deadline,
            identity=identity,
            clock=refresh.clock,
        )
        self._vault = store
        self._notes: set[asyncio.Task[None]] = set()

    def worked(self, tokens: Tokens) -> None:
        super().worked(tokens)
        if self._vault.unproved(tokens.version):
            note = asyncio.get_running_loop().create_task(self._note(tokens.version))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)

    async def _note(self, version: int) -> None:
        try:
            await self._vault.worked(version)
        except Problem:
            # The older token then stays sealed until the next refresh replaces it.
            return

    async def aclose(self) -> None:
        await super().aclose()
        if self._notes:
            await asyncio.wait(self._notes)


@dataclass(frozen=True, slots=True)
class Refresh:
    """One exchange of a refresh token; the token before it is tried if the platform never took the new one."""

    connector: Connector
    app: App
    account: Account
    client: ApiClient
    store: VaultTokenStore
    clock: Clock
    deadline: float
    #: Keys stand in the place of the refresh token, and are traded anew each time.
    traded: bool = False

    async def __call__(self, tokens: Tokens) -> Tokens:
        try:
            return await self._send(tokens)
        except RefreshRefused:
            previous = self.store.previous
            if previous is None or previous == tokens.refresh_token:
                raise
            return await self._send(replace(tokens, refresh_token=previous))

    async def _send(self, tokens: Tokens) -> Tokens:
        app = self.app
        if self.traded and tokens.refresh_token is not None:
            # those of the row: another process may have given it others since this client was made
            app = App({**app.credentials, **sealing.keys_of(tokens.refresh_token)}, app.hosts)
            tokens = replace(tokens, refresh_token=None)
        return await traded(self.connector, app, self.account, tokens, self.client, self.clock)


async def traded(
    connector: Connector, app: App, account: Account, tokens: Tokens, client: ApiClient, clock: Clock
) -> Tokens:
    """The next tokens, by our clock. Raises what `Connector.refresh` raises."""

    async def send(clock: Clock) -> Tokens:
        return await connector.refresh(app, account, tokens, client, clock)

    return far_time.by_ours(*await far_time.asked(connector, clock, send))
