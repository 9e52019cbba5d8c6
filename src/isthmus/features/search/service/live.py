"""Asking far sides that have a search of their own, each within the deadline and at nobody else's cost."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isthmus.client import AddressRefused, ClientError, ConnectFailed, ReauthorizationRequired, TokenRejected
from isthmus.connect.faults import DATA_FAULTS
from isthmus.connect.spi import FoundRecord, Searcher, SearchFor, Unmappable
from isthmus.features import catalog, connections
from isthmus.features.connections import Reach
from isthmus.features.search.model import Asked
from isthmus.features.search.settings import Settings
from isthmus.kit.errors import Problem
from isthmus.scope import Scope

_LOG = logging.getLogger("isthmus.search")
#: What a far side is asked for, whatever the page: results are paged from what was found.
_MOST = 50


@dataclass(frozen=True, slots=True)
class Failed:
    """Why one integration's own search did not answer; `code` is one word, `message` for people."""

    code: str
    message: str


Outcome = Sequence[FoundRecord] | Failed
_LATE = Failed("TIMEOUT", "The platform did not answer in time.")
_AWAY = Failed("FAILED", "The platform could not be searched.")
_EXPIRED = Failed("CONNECTION_EXPIRED", "The platform ended the grant; connect the account again.")


async def searcher(scope: Scope, reach: Reach) -> Searcher | None:
    """The connector of a connection, if it can search."""
    try:
        connector: object = (await catalog.found(scope, reach.provider)).connector
    except catalog.ProviderNotFound:
        return None
    return connector if isinstance(connector, Searcher) else None


async def ask_all(
    scope: Scope, wanted: Mapping[str, tuple[Searcher, SearchFor]], seconds: float
) -> Mapping[str, Outcome]:
    """What each connection's far side found; whoever is not done after `seconds` is late, and not waited for.

    So many at a time, whatever a tenant has connected (RL-08).
    """
    if not wanted:
        return {}
    slots = asyncio.Semaphore(scope.part(Settings).at_once)
    tasks = {
        id_: asyncio.create_task(_ask_in_turn(slots, scope, id_, found, want), name=f"search {id_}")
        for id_, (found, want) in wanted.items()
    }
    try:
        await asyncio.wait(tasks.values(), timeout=seconds)
        return {id_: _outcome(task) for id_, task in tasks.items()}
    finally:
        for task in tasks.values():
            task.cancel()


def _outcome(task: asyncio.Task[Outcome]) -> Outcome:
    """What a question came to; a connector that breaks costs its own results only, and is told to the operator."""
    if not task.done():
        return _LATE
    if task.cancelled():
        return _AWAY
    failure = task.exception()
    if failure is None:
        return task.result()
    _LOG.error("a connector broke over a live search", exc_info=failure)
    return _AWAY


async def _ask_in_turn(
    slots: asyncio.Semaphore, scope: Scope, connection_id: str, found: Searcher, wanted: SearchFor
) -> Outcome:
    async with slots:
        return await _ask(scope, connection_id, found, wanted)


async def _ask(scope: Scope, connection_id: str, found: Searcher, wanted: SearchFor) -> Outcome:
    try:
        async with connections.session(scope, connection_id) as session:
            return (await found.search(session, wanted))[: wanted.limit]
    except (ReauthorizationRequired, TokenRejected):
        return _EXPIRED
    except Problem as failure:
        return Failed(failure.code, failure.message)
    except ClientError as failure:
        _LOG.info("a live search failed: %s", failure.kind)
        # a refused address reads as a closed port (SS-09)
        kind = ConnectFailed.CODE if isinstance(failure, AddressRefused) else failure.kind
        return Failed(kind.upper(), _AWAY.message)
    except (Unmappable, *DATA_FAULTS) as failure:
        _LOG.warning("a live search could not be read: %s", type(failure).__name__)
        return _AWAY


def want(asked: Asked, entities: tuple[str, ...]) -> SearchFor:
    """What one far side is asked."""
    return SearchFor(asked.query, entities, asked.since, asked.until, asked.custom, _MOST)
