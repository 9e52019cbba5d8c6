"""`isthmus.Integrations`: integrations for people who use Isthmus inside their own Python service (document 003)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self, TypeAlias, TypedDict, Unpack, get_args

from isthmus.client import ApiClient
from isthmus.features import catalog, connections
from isthmus.features.connections import CallCounts, Imported, LogEntry, LogLevel, Trial
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import MAX_LIMIT, Ask
from isthmus.kit.secret import Secret
from isthmus.library.opening import Given, House, open_house
from isthmus.scope import Scope

_MONTH = timedelta(days=31)
_NOTHING = Given()
#: What JSON can hold.
Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"


class Changes(TypedDict, total=False):
    """What `update` may change; what is left out stays."""

    name: str
    description: str
    icon: str | None
    settings: Mapping[str, Json]
    #: Types of records that may pass; empty for all.
    allowed_types: tuple[str, ...]
    search_enabled: bool
    #: Entities that a search asks for; empty for all that can be searched.
    searchable: tuple[str, ...]
    user_scoped: bool
    #: Who may use it, beside admins; both empty for everybody in the tenant.
    allowed_roles: tuple[str, ...]
    allowed_users: tuple[str, ...]
    proxy_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """A use of a provider. `type` and `status` are document 003's.

    type: rest_api, graphql, webhook, database, storage, messaging, payment, email, sms, analytics, crm or custom.
    status: configuring, testing, active, error or inactive.
    """

    id: str
    name: str
    type: str
    provider: str
    category: str
    description: str
    settings: Mapping[str, Json]
    status: str
    enabled: bool
    created_at: datetime
    updated_at: datetime
    last_sync_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Calls over a time, as the client counted them; rates in per cent, times in milliseconds.

    They are kept by the hour, and `last_activity` is the hour of the last call.
    """

    total_requests: int
    successful_requests: int
    failed_requests: int
    retried_requests: int
    throttled_requests: int
    average_response_time: float
    last_activity: datetime | None

    @property
    def success_rate(self) -> float:
        """How many of a hundred calls ended well; 0.0 where there was none."""
        return 100 * self.successful_requests / self.total_requests if self.total_requests else 0.0

    @property
    def error_rate(self) -> float:
        """How many of a hundred calls failed; 0.0 where there was none."""
        return 100 * self.failed_requests / self.total_requests if self.total_requests else 0.0


class Integrations:
    """Integrations of one tenant, on the same services and database as the HTTP API.

    `async with Integrations.open() as integrations:` opens a deployment and closes it at the end; `Integrations(house)`
    shares one that is open. Failures are `isthmus.kit.errors.Problem`s, as everywhere.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    @classmethod
    @asynccontextmanager
    async def open(cls, given: Given = _NOTHING) -> AsyncIterator[Self]:
        """Open a deployment for these integrations alone; `Given` says where its database and keys are."""
        async with open_house(given) as house:
            yield cls(house)

    @property
    def _scope(self) -> Scope:
        return self._house.scope

    async def create(
        self,
        name: str,
        provider: str,
        *,
        credentials: Mapping[str, str] | None = None,
        settings: Mapping[str, Json] | None = None,
        description: str = "",
    ) -> Integration:
        """Use a provider of the catalog, such as `stripe`.

        credentials: by the provider's field names; they are tried before they are stored, and where they do not work
        nothing is made. Without them the integration is `configuring` until `connect`. Raises ProviderNotFound,
        Invalid, and for credentials what `connect` raises.
        """
        if credentials is not None:
            _sealed(credentials)  # before anything is made
        facts = connections.Facts(name=name, description=description, settings=settings or {})
        made = await connections.create(self._scope, provider, facts)
        if credentials is None:
            return await self._shown(made)
        try:
            return await self.connect(made.id, credentials)
        except BaseException:
            await connections.remove(self._scope, made.id)
            raise

    async def connect(self, integration_id: str, credentials: Mapping[str, str]) -> Integration:
        """Give it credentials, or new ones in place of the old; they are tried first.

        Raises CredentialsRefused, PlatformUnreachable, WrongKind and AlreadyConnected of the connections.
        """
        await connections.connect_integration(self._scope, integration_id, keys=_sealed(credentials))
        return await self.get(integration_id)

    async def get(self, integration_id: str) -> Integration:
        """One integration. Raises IntegrationNotFound."""
        return await self._shown(await connections.integration(self._scope, integration_id))

    async def list(
        self, *, provider: str | None = None, search: str | None = None, limit: int = MAX_LIMIT, offset: int = 0
    ) -> Sequence[Integration]:
        """Integrations, the oldest first.

        provider: its slug. search: a part of the name. limit: at most 100 of them. Raises Invalid.
        """
        wanted = connections.Wanted(provider, None, search)
        page = await connections.integrations(self._scope, wanted=wanted, ask=Ask.of(limit, offset), descending=False)
        return await self._all(page.items)

    async def update(self, integration_id: str, **changes: Unpack[Changes]) -> Integration:
        """Change facts by their names in `Changes`.

        Raises IntegrationNotFound, Invalid, NameTaken, and TypeError for what is none of them.
        """
        if unknown := sorted(changes.keys() - Changes.__annotations__.keys()):
            raise TypeError(f"This cannot be changed: {', '.join(unknown)}.")
        return await self._shown(await connections.change(self._scope, integration_id, dict(changes)))

    async def delete(self, integration_id: str) -> None:
        """End its connection at the far side too, and remove it. Raises IntegrationNotFound."""
        await connections.remove(self._scope, integration_id)

    async def test(self, integration_id: str) -> Trial:
        """Make the cheapest call that proves the credentials. Raises IntegrationNotFound, ConnectionNotFound."""
        return await connections.test(self._scope, (await self._connection(integration_id)).id)

    async def activate(self, integration_id: str) -> Integration:
        """Switch it on. Raises IntegrationNotFound, IntegrationNotConnected."""
        return await self._shown(await connections.activate(self._scope, integration_id))

    async def deactivate(self, integration_id: str) -> Integration:
        """Switch it off: nothing goes through it; the credentials stay. Raises IntegrationNotFound."""
        return await self._shown(await connections.deactivate(self._scope, integration_id))

    async def metrics(self, integration_id: str, *, over: timedelta = _MONTH) -> Metrics:
        """What became of its calls in the time before now, at most 31 days.

        Raises IntegrationNotFound, and Invalid for another time.
        """
        if not timedelta(0) < over <= _MONTH:
            raise Invalid.field("over", "A time of more than nothing and at most 31 days is needed.")
        scope, found = self._scope, await self._maybe(integration_id)
        if found is None:
            return _summed([])
        await scope.part(connections.Clients).recorder.flush()
        now = scope.now
        return _summed(await connections.call_hours(scope, found.id, now - over, now))

    async def logs(
        self, integration_id: str, limit: int = 50, *, level: LogLevel | None = None, search: str = ""
    ) -> Sequence[LogEntry]:
        """Its calls that are worth a look, the newest first: `info`, `warning` or `error`; 200 are kept.

        limit: at most 100 of them. search: a part of the message, the code, the method or the route, in upper or lower
        case. Raises IntegrationNotFound, Invalid.
        """
        ask = Ask.of(limit)
        if level not in (None, *get_args(LogLevel)):
            raise Invalid.field("level", f"One of {', '.join(get_args(LogLevel))} is needed.")
        scope, found = self._scope, await self._maybe(integration_id)
        if found is None:
            return []
        await scope.part(connections.Clients).recorder.flush()
        page = await connections.call_log(scope, found.id, level, replace(ask, limit=MAX_LIMIT) if search else ask)
        fitting = [one for one in page.items if _holds(one, search)]
        while page.next_after is not None and len(fitting) < limit:
            page = await connections.call_log(scope, found.id, level, Ask(MAX_LIMIT, after=page.next_after))
            fitting += [one for one in page.items if _holds(one, search)]
        return fitting[:limit]

    async def export(self, integration_id: str) -> str:
        """The integration as YAML, without credentials. Raises IntegrationNotFound."""
        return await connections.export(self._scope, integration_id)

    async def import_(self, text: str, *, dry_run: bool = False) -> Imported:
        """Make the integration that a YAML text describes, or make the one of its name like it.

        With `dry_run` only what would differ is said. Raises Invalid, ProviderNotFound.
        """
        return await connections.import_one(self._scope, text, dry_run=dry_run)

    @asynccontextmanager
    async def client(self, integration_id: str) -> AsyncIterator[ApiClient]:
        """A client bound to the provider's hosts, with credentials, limits, retries and counting.

        Raises IntegrationNotFound, ConnectionNotFound, ConnectionPending, ConnectionExpired, IntegrationDisabled.
        """
        found = await self._connection(integration_id)
        async with connections.session(self._scope, found.id) as session:
            yield session.client

    async def _shown(self, one: connections.Integration) -> Integration:
        [shown] = await self._all([one])
        return shown

    async def _all(self, many: Sequence[connections.Integration]) -> Sequence[Integration]:
        used = {one.provider for one in many}
        types = {slug: (await catalog.known_provider(self._scope, slug)).integration_type for slug in used}
        return [self._as_told(one, types[one.provider]) for one in many]

    def _as_told(self, one: connections.Integration, kind: str) -> Integration:
        return Integration(
            id=one.id,
            name=one.name,
            type=kind,
            provider=one.provider,
            category=one.category,
            description=one.description,
            settings=one.settings,
            status=connections.lifecycle(one.state, testing=one.is_testing(self._scope.now)),
            enabled=one.enabled,
            created_at=one.created_at,
            updated_at=one.updated_at,
            last_sync_at=one.last_sync_at,
        )

    async def _connection(self, integration_id: str) -> connections.Connection:
        return await connections.of_integration(self._scope, integration_id)

    async def _maybe(self, integration_id: str) -> connections.Connection | None:
        try:
            return await self._connection(integration_id)
        except connections.ConnectionNotFound:
            return None


def _sealed(credentials: Mapping[str, str]) -> dict[str, Secret]:
    """Wrapped, so that they show nowhere; what is no text, such as an unset variable, is told by its field."""
    for name, value in credentials.items():
        if not isinstance(value, str):
            raise Invalid.field(f"credentials.{name}", f"A text is needed, and this is {type(value).__name__}.")
    return {name: Secret(value) for name, value in credentials.items()}


def _holds(one: LogEntry, search: str) -> bool:
    texts = (one.message, one.code, one.method, one.route)
    return not search or any(search.casefold() in text.casefold() for text in texts)


def _summed(hours: Sequence[CallCounts]) -> Metrics:
    calls, failed = sum(one.calls for one in hours), sum(one.failed for one in hours)
    return Metrics(
        total_requests=calls,
        successful_requests=calls - failed,
        failed_requests=failed,
        retried_requests=sum(one.attempts for one in hours) - calls,
        throttled_requests=sum(one.throttled for one in hours),
        average_response_time=sum(one.duration_ms for one in hours) / calls if calls else 0.0,
        last_activity=max((one.hour for one in hours), default=None),
    )
