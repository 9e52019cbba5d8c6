"""Where actions go: a connection's bound client and its connector."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from isthmus.client import urgent
from isthmus.connect.abilities import Acting
from isthmus.connect.acting import Action, ActsOnOrders
from isthmus.connect.budgets import Within
from isthmus.connect.shapes import Order
from isthmus.connect.spi import ReadsOne, ReadsOrders, Session, Unmappable
from isthmus.connect.writing import Outcome
from isthmus.features import catalog, connections
from isthmus.features.fulfilment.errors import ActionNotOffered
from isthmus.scope import Scope, Tx

ORDERS: Final = "orders"
#: Processor time that a connector may take over one order.
SECONDS: Final = 1.0


class Far(Protocol):
    """A connection that is open for actions."""

    async def look(self, external_id: str) -> Order | None:
        """The order as the platform shows it now; None where it shows none, or none that can be read.

        Raises client errors, and Overrun.
        """
        ...

    async def act(self, action: Action) -> Sequence[Outcome]:
        """Do it, by one writing call. Raises client errors."""
        ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be done with orders of a connection, and who knows about it."""

    provider: str
    acting: Acting
    connector: ActsOnOrders
    shard_type: str = "order"


@dataclass(frozen=True, slots=True)
class Actors:
    """How to look at a connection's abilities, how to open it, and whether its records may be written just now."""

    facts: Callable[[Scope, str], Awaitable[Facts]]
    open: Callable[[Scope, str], AbstractAsyncContextManager[Far]]
    admit: Callable[[Tx, str, Facts], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Connected:
    session: Session
    acting: ActsOnOrders
    one: ReadsOne | None
    mapper: ReadsOrders | None

    async def look(self, external_id: str) -> Order | None:
        if self.one is None or self.mapper is None:
            return None
        with urgent():
            record = await self.one.fetch(self.session, ORDERS, external_id)
        if record is None:
            return None
        try:
            with Within(SECONDS):
                return self.mapper.map_order(record, self.session.account)
        except Unmappable:
            return None

    async def act(self, action: Action) -> Sequence[Outcome]:
        with urgent():
            return await self.acting.act(self.session, action)


def check(facts: Facts, action: Action) -> str:
    """Why the platform would not allow this, empty where it would. Raises WrongDetail, Overrun."""
    with Within(SECONDS):
        return facts.connector.check(action)


def shows(facts: Facts, action: Action, order: Order) -> bool | None:
    """Whether the order shows that this has happened; None where it cannot be told. Raises Overrun."""
    with Within(SECONDS):
        return facts.connector.shows(action, order)


async def _facts(scope: Scope, connection_id: str) -> Facts:
    """Look whether orders of a connection may be acted on.

    Raises ConnectionNotFound, IntegrationDisabled, PlanRequired, ShardTypeForbidden, and ActionNotOffered where nothing
    can be done.
    """
    connection = await connections.connection(scope, connection_id)
    found = await catalog.found(scope, connection.provider)
    acting, described, connector = found.manifest.acting, found.manifest.entity(ORDERS), _actor(found.connector)
    if acting is None or described is None or connector is None:
        raise ActionNotOffered(details={"offered": []})
    if not connection.enabled:
        raise connections.IntegrationDisabled
    await catalog.admit_further(scope, connection.provider)
    connections.check_type(connection.allowed_types, described.shard_type)
    return Facts(connection.provider, acting, connector, described.shard_type)


@asynccontextmanager
async def _open(scope: Scope, connection_id: str) -> AsyncIterator[Far]:
    connection = await connections.connection(scope, connection_id)
    connector = _actor((await catalog.found(scope, connection.provider)).connector)
    if connector is None:
        raise ActionNotOffered(details={"offered": []})
    async with connections.session(scope, connection_id) as session:
        yield _Connected(session, connector, _one(connector), _mapper(connector))


def _actor(connector: object) -> ActsOnOrders | None:
    return connector if isinstance(connector, ActsOnOrders) else None


def _one(connector: object) -> ReadsOne | None:
    return connector if isinstance(connector, ReadsOne) else None


def _mapper(connector: object) -> ReadsOrders | None:
    return connector if isinstance(connector, ReadsOrders) else None


async def _admit(tx: Tx, connection_id: str, facts: Facts) -> None:
    await connections.check_writing(tx, connection_id, facts.shard_type)


_CONNECTIONS = Actors(_facts, _open, _admit)


def actors(scope: Scope) -> Actors:
    """The part that opens connections: the connections of this house unless another one was put in."""
    given = scope.engine.parts.get(Actors, _CONNECTIONS)
    assert isinstance(given, Actors)  # noqa: S101 - parts are keyed by their own type
    return given
