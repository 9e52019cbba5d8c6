"""Inbound webhooks inside a Python service: functions by event pattern, and an intake for any web framework."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from inspect import iscoroutinefunction, isfunction, unwrap
from typing import Literal, TypedDict, Unpack, get_args

from isthmus.features import connections, webhooks_in, webhooks_out
from isthmus.features.webhooks_in import OrderedBy, Told
from isthmus.http import Arrival
from isthmus.kit import ids
from isthmus.kit.errors import Invalid, Unavailable
from isthmus.kit.paging import MAX_LIMIT, Ask
from isthmus.kit.secret import Secret
from isthmus.library.integrations import Json
from isthmus.library.opening import House
from isthmus.scope import Scope, System

Function = Callable[[Told], Awaitable[Mapping[str, Json] | None]]


@dataclass(frozen=True, slots=True)
class Answered:
    """What to answer the platform: it reads these and nothing else."""

    status: int
    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """How a function is called.

    priority: lower begins earlier, 100 by default. retries: the pauses between attempts; None for those of the
    settings, about nine hours. ordered_by: one delivery after the other within an object, an account or a source.
    timeout: how long one call may take.
    """

    priority: int = 100
    retries: Sequence[timedelta] | None = None
    ordered_by: OrderedBy | None = None
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Offered:
    """A function that a service registered.

    offered: whether a running process has it; offered_at: when one said so last, which each does every half minute.
    waiting: what is to be done by it, a thousand at most.
    """

    name: str
    pattern: str
    offered: bool
    offered_at: datetime
    waiting: int


@dataclass(frozen=True, slots=True)
class Source:
    """An address at which a provider pushes; the address itself is shown once, by `add_source`."""

    id: str
    provider: str
    name: str
    received: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """An address of yours that events are delivered to; `types` empty: all of them.

    state: unverified until it has answered a signed ping, then active; the product pauses what fails for days.
    """

    id: str
    url: str
    types: tuple[str, ...]
    state: str


#: Where a delivery stands: `dead` is what failed for good, `unrouted` news of an account that nobody holds.
DeliveryState = Literal["received", "unrouted", "waiting", "done", "ignored", "dead"]


class Which(TypedDict, total=False):
    """Which events are meant; what is left out chooses none away."""

    #: Its name, such as `order.updated`, or a group of them: `order.*`.
    event: str
    state: DeliveryState
    provider: str
    integration_id: str


_ORDINARY = When()
_DAY = timedelta(days=1)


class Webhooks:
    """Webhooks of the service's own tenant, over an open house.

    Functions are called at least once for each delivery; each has its own schedule and dead letters, seen in the log of
    `GET /api/webhooks`. Every process of the deployment plans for them, and only those that registered them call them.
    When none does any more, what comes in for them waits, until one does again or `retire` ends it.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._intake = webhooks_in.front(System(house.scope.engine, house.scope.clock))

    def off(self, name: str) -> bool:
        """Call the function of this name here no more, from the next delivery on; whether there was one.

        Other processes go on, and where there is none what comes in for it waits: `retire` ends it for good.
        """
        return self._handlers.remove(self._house.tenant_id, name)

    async def retire(self, name: str) -> None:
        """Plan for the function of this name no more, in no process, and drop what waits for it.

        Other processes that have it stop within half a minute. Registering it anew brings it back. Raises
        FunctionNotFound.
        """
        await self._settled()
        self.off(name)
        await webhooks_in.retire_named(self._house.scope, name)

    async def functions(self) -> Sequence[Offered]:
        """The functions of all services of the tenant, oldest first; those that were retired are left out."""
        await self._settled()
        found: list[Offered] = []
        ask = Ask(MAX_LIMIT)
        while True:
            page = await webhooks_in.functions(self._house.scope, ask)
            found += [
                Offered(one["name"], one["pattern"], one["offered"], one["offered_at"], one["waiting"])
                for one in page.items
                if one["retired_at"] is None
            ]
            if page.next_after is None:
                return found
            ask = Ask(MAX_LIMIT, after=page.next_after)

    async def _settled(self) -> None:
        """What was registered so far is known to every process from here on."""
        scope = self._house.scope
        await webhooks_in.settle(System(scope.engine, scope.clock))

    def on(self, pattern: str, *, name: str = "", when: When = _ORDINARY) -> Callable[[Function], Function]:
        """Call the function for events whose name fits `pattern`, such as `order.*`; a decorator.

        `name` keeps its place over restarts and is the function's own by default: functions of different services have
        different names. Raises ValueError for a taken one, and TypeError for what is no `async def`.
        """
        if not isinstance(pattern, str):
            raise TypeError('A pattern is needed: @hooks.on("order.*").')

        def register(function: Function) -> Function:
            if isfunction(function) and not iscoroutinefunction(unwrap(function)):
                raise TypeError(f"{function.__name__} is called with `await`: write `async def {function.__name__}`.")

            async def call(_: Scope, told: Told) -> Mapping[str, Json] | None:
                return await function(told)

            retries = None if when.retries is None else tuple(one.total_seconds() for one in when.retries)
            self._handlers.add(
                webhooks_in.Handler(
                    name or function.__name__,
                    pattern,
                    call,
                    when.priority,
                    retries,
                    when.ordered_by,
                    when.timeout.total_seconds(),
                    tenant_id=self._house.tenant_id,
                )
            )
            return function

        return register

    @property
    def _handlers(self) -> webhooks_in.Handlers:
        return self._house.scope.part(webhooks_in.Handlers)

    async def add_source(
        self,
        provider: str,
        *,
        secret: str | None = None,
        verify_token: str | None = None,
        name: str = "",
        integration_id: str | None = None,
    ) -> str:
        """Make an address for a provider's pushes; its last part is the token that `receive` wants. Shown once.

        verify_token: what the platform shows to prove the address, where that is not the secret that it signs with.
        integration_id: whose news come in there; it has to be connected. Raises ProviderNotFound, PushesNothing,
        Invalid, IntegrationNotFound, ConnectionNotFound.
        """
        await self._settled()
        given, shown = (None if one is None else Secret(one) for one in (secret, verify_token))
        place = await self._place(integration_id)
        wanted = webhooks_in.Wanted(provider, name, place, secret=given, verify_token=shown)
        made = await webhooks_in.add(self._house.scope, wanted)
        assert made.url is not None  # noqa: S101 - a source that was just made
        return made.url.reveal()

    async def _place(self, integration_id: str | None) -> str | None:
        """The connection of an integration."""
        if integration_id is None:
            return None
        return (await connections.of_integration(self._house.scope, integration_id)).id

    async def sources(self) -> Sequence[Source]:
        """The addresses that were made, oldest first."""
        found: list[Source] = []
        page = await webhooks_in.sources(self._house.scope, Ask(MAX_LIMIT))
        while True:
            found += [
                Source(one.source.id, one.source.provider, one.source.name, one.received, one.last_at)
                for one in page.items
            ]
            if page.next_after is None:
                return found
            page = await webhooks_in.sources(self._house.scope, Ask(MAX_LIMIT, after=page.next_after))

    async def remove_source(self, source_id: str) -> None:
        """Believe nothing at this address any more, in all processes within seconds; the log keeps what came in there.

        Raises SourceNotFound.
        """
        await webhooks_in.remove(self._house.scope, source_id)

    async def receive(
        self, token: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST", query: str = ""
    ) -> Answered:
        """Take a request in: verified on its raw bytes, de-duplicated, committed, and only then answered.

        Where the database is away it is answered with 503, so that it comes again.
        """
        try:
            await self._settled()
        except Unavailable as away:
            return Answered(away.status, b"", "")
        sent = {key.lower(): value.encode("latin-1", "replace").decode("latin-1") for key, value in headers.items()}
        arrival = Arrival(
            method=method,
            path=token,
            query=query.encode(),
            headers=sent,
            body=body,
            address="",
            request_id=ids.new("req", self._house.scope.clock),
        )
        if len(body) > self._intake.body_cap:
            return Answered(413, b"", "")
        reply = await self._intake.answer(arrival)
        return Answered(reply.status, reply.body, reply.content_type)

    async def events(
        self, limit: int = 50, *, over: timedelta = _DAY, **which: Unpack[Which]
    ) -> Sequence[webhooks_in.Delivery]:
        """What came in during the time before now, the newest first; `done_at` says when it was worked off.

        Headers and bodies are not read for a list; `event` has them.
        limit: at most 100 of them. which: as `Which` names it. Raises Invalid, IntegrationNotFound, ConnectionNotFound,
        and TypeError for what `Which` does not name.
        """
        if unknown := sorted(which.keys() - Which.__annotations__.keys()):
            raise TypeError(f"Events are not chosen by this: {', '.join(unknown)}.")
        if which.get("state") not in (None, *get_args(DeliveryState)):
            raise Invalid.field("state", f"One of {', '.join(get_args(DeliveryState))} is needed.")
        scope, ask = self._house.scope, Ask.of(limit)
        wanted = webhooks_in.Filters(
            since=scope.now - over,
            until=scope.now,
            event=which.get("event"),
            state=which.get("state"),
            provider=which.get("provider"),
            connection_id=await self._place(which.get("integration_id")),
        )
        page = await webhooks_in.deliveries(scope, wanted, ask)
        found = list(page.items)
        while page.next_after is not None and len(found) < limit:
            page = await webhooks_in.deliveries(scope, wanted, Ask(limit - len(found), after=page.next_after))
            found += page.items
        return found

    async def event(self, delivery_id: str) -> webhooks_in.Delivery:
        """One of them whole: with the headers, the query and the body that came. Raises DeliveryNotFound."""
        return (await webhooks_in.delivery(self._house.scope, delivery_id)).delivery

    async def retry(self, delivery_id: str) -> None:
        """Work a delivery off once more. Raises DeliveryNotFound, NotRetryable."""
        await webhooks_in.retry(self._house.scope, delivery_id)

    async def subscribe(self, url: str, types: Sequence[str] = ()) -> str:
        """Have the tenant's public events delivered to an address of yours; answers the secret that signs them.

        Raises WrongEndpoint, TooManyEndpoints.
        """
        made = await webhooks_out.create(self._house.scope, webhooks_out.Draft(url=url, types=tuple(types)))
        return made.secret.reveal() if made.secret else ""

    async def subscriptions(self) -> Sequence[Subscription]:
        """The addresses that events are delivered to, in the order of their making."""
        found: list[Subscription] = []
        page = await webhooks_out.listing(self._house.scope, Ask(MAX_LIMIT))
        while True:
            found += [Subscription(one.id, one.url, tuple(one.types), one.state) for one in page.items]
            if page.next_after is None:
                return found
            page = await webhooks_out.listing(self._house.scope, Ask(MAX_LIMIT, after=page.next_after))

    async def unsubscribe(self, subscription_id: str) -> None:
        """Deliver nothing more to this address. Raises EndpointNotFound."""
        await webhooks_out.delete(self._house.scope, subscription_id)
