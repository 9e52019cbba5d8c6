"""Pushes are asked for where the platform has a call for it: when a connection is made, and compared every day.

One address serves the whole app, so that the first connection makes it and the last one takes it away; platforms that
are asked shop by shop are in `shops`. Where only a console takes the address, a person enters what the guide shows, and
the first verified delivery marks it done.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from isthmus.client import ClientError
from isthmus.connect.spi import Desk, Queues, Subscriber, Subscription
from isthmus.engine.db import Tx
from isthmus.engine.queue import Wake
from isthmus.features import catalog, connections, vault
from isthmus.features.catalog import Registration
from isthmus.features.webhooks_in.events import SubscriptionFailed, SubscriptionMade, SubscriptionRemoved
from isthmus.features.webhooks_in.service import managing, shops
from isthmus.features.webhooks_in.service.managing import Wanted
from isthmus.features.webhooks_in.store import subscriptions as store
from isthmus.features.webhooks_in.store.subscriptions import Checked, Place
from isthmus.kit.errors import Problem
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.kit.secret import Secret
from isthmus.kit.waiting import first_of
from isthmus.scope import Scope, System

ENROL = "webhooks_in.enrol"
COMPARE = "webhooks_in.compare"
PULL = "webhooks_in.pull"
_PART = "webhooks_in"
_FIELD = "webhook_url"
_DAY = timedelta(days=1)
_PAUSES = (timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1), timedelta(hours=6))
#: For so long nobody else asks a platform the same; a worker that dies is followed by another one then.
_HELD = timedelta(minutes=2)
_MOST = 200
_TEXT = 500
#: Seconds after something happened until it is looked for, and at least between two looks.
_SOON = 0.3
_RARELY = 4.0
#: What a platform, or the lack of an app, may answer with.
FAULTS = (ClientError, Problem)


@dataclass(frozen=True, slots=True)
class _App:
    """An app whose platform can be told by a call, and the scope of the tenant that holds it."""

    scope: Scope
    place: Place
    registration: Registration

    @property
    def topics(self) -> frozenset[str]:
        """What to ask for."""
        webhooks = self.registration.manifest.webhooks
        return frozenset(webhooks.topics if webhooks else ())


async def missing(system: System, tx: Tx) -> Sequence[Wake]:
    """The wake-ups of what is due."""
    told, compared, pulled = await store.due(tx, system.now, _MOST)
    return [
        *(Wake(ENROL, connection_id, tenant) for tenant, connection_id in told),
        *(Wake(COMPARE, key_of(one), one.tenant_id) for one in compared),
        *(Wake(PULL, key_of(one), one.tenant_id) for one in pulled),
    ]


async def keep_asking(system: System, stop: asyncio.Event) -> None:
    """Look for what is due soon after something has happened, until `stop` is set; the reconciler looks besides."""
    with system.engine.bus.heard() as bell:
        while True:
            await first_of(stop, bell)
            # listeners write down what has happened a moment later
            await first_of(stop, seconds=_SOON)
            if stop.is_set():
                return
            bell.clear()
            async with system.tx() as tx:
                wakes = await missing(system, tx)
                if wakes:
                    await system.engine.queue.enqueue_missing(tx, wakes)
            await first_of(stop, seconds=_RARELY)


def key_of(place: Place) -> str:
    """The wake-up's key of an app."""
    return f"{place.provider} {place.registration_id}"


def place_of(scope: Scope, key: str) -> Place:
    """The app that a wake-up is about."""
    provider, _, registration_id = key.partition(" ")
    return Place(scope.tenant_id, provider, registration_id)


async def heard(tx: Tx, event: Mapping[str, Any], *, ended: bool) -> None:
    """Note that a connection was made or has ended; the platform is told soon."""
    await store.heard(tx, event["tenant_id"], event["subject"], event["at"], ended=ended)


async def enrol(scope: Scope, connection_id: str) -> None:  # house: silent - subscriptions tell of themselves
    """Have a connection's news come, or stop asking for them when it was the last of its app, or a shop of its own."""
    async with scope.tx() as tx:
        known = await store.enrolment(tx, scope.tenant_id, connection_id)
        await store.hold(tx, scope.tenant_id, connection_id, scope.now + _HELD)
    if known is None:
        return
    owner = (scope.tenant_id, connection_id)
    try:
        if known["ended"]:
            await shops.part(scope, known["provider"], connection_id)
            await _part(scope, Place(known["held_by"], known["provider"], known["registration_id"]))
        else:
            await _join(scope, connection_id)
    except (connections.ConnectionPending, connections.ConnectionExpired, connections.ConnectionNotFound):
        pass  # its next connecting is heard again
    except FAULTS as failure:
        async with scope.tx() as tx:
            reason, when = said(failure), scope.now + _pause(known["attempts"])
            await store.enrolled(tx, owner, when, reason, ended=known["ended"])
        return
    async with scope.tx() as tx:
        await store.enrolled(tx, owner, None, ended=known["ended"])
        await store.forget(tx, *owner)


def _pause(attempts: int) -> timedelta:
    return _PAUSES[min(attempts, len(_PAUSES) - 1)]


def said(failure: Exception) -> str:
    """A failure in a line."""
    return f"{type(failure).__name__}: {failure}"[:_TEXT]


async def _join(scope: Scope, connection_id: str) -> None:
    connection = await connections.connection(scope, connection_id)
    app = await _app(scope, connection.provider, connection.registration_id)
    held = app.place if app is not None else Place(scope.tenant_id, connection.provider, "")
    async with scope.tx() as tx:
        await store.place_enrolment(tx, scope.tenant_id, connection_id, held)
    queue: str | None = None
    if app is not None:
        async with app.scope.tx() as tx:
            await store.open_subscription(tx, app.place, sorted(app.topics), scope.now)
        queue = await _compare(app)
    shop = await shops.want(scope, connection, queue)
    if shop is not None:
        await compare(scope, key_of(shop))


async def _app(scope: Scope, provider: str, registration_id: str | None) -> _App | None:
    registration = await catalog.registration(scope, provider, registration_id)
    if not isinstance(registration.connector, Subscriber | Queues) or registration.manifest.webhooks is None:
        return None
    held = scope if registration.kind == "tenant" else System(scope.engine, scope.clock).scope(PLATFORM_TENANT, _PART)
    return _App(held, Place(held.tenant_id, provider, registration.id), registration)


async def compare(scope: Scope, key: str) -> None:
    """Look whether the platform still pushes what it was asked for, and mend it where it does not."""
    place = place_of(scope, key)
    async with scope.tx() as tx:
        await store.hold_check(tx, place, scope.now + _HELD)
    try:
        if shops.is_shop(place.registration_id):
            await shops.compare(scope, place, await _queue(scope, place))
            return
        app = await _app(scope, place.provider, place.registration_id)
        if app is not None:
            await _compare(app)
    except FAULTS as failure:
        async with scope.tx() as tx:
            known = await store.subscription(tx, place)
            reason, pause = said(failure), _pause(known["attempts"] if known else 0)
            await store.checked(tx, place, Checked(state="failed", reason=reason, next_at=scope.now + pause), scope.now)
            if known and known["state"] != "failed":
                tx.emit(SubscriptionFailed(subject=place.provider, body={"reason": reason}))


async def _queue(scope: Scope, place: Place) -> str | None:
    """The queue of the app that a shop is connected through, where it has one."""
    connection = await connections.connection(scope, place.registration_id)
    app = await _app(scope, connection.provider, connection.registration_id)
    if app is None:
        return None
    async with app.scope.tx() as tx:
        known = await store.subscription(tx, app.place)
    return known["queue"] if known is not None else None


async def _compare(app: _App) -> str | None:
    """Ask, mend and write down; the app's queue where it has one."""
    connector, scope = app.registration.connector, app.scope
    url = await _address(app)
    queue: str | None = None
    made: Subscription | None = None
    repaired = False
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(connections.desk(scope, app.registration))
        if isinstance(connector, Subscriber):
            made, repaired = await _mended(connector, desk, url.reveal(), app.topics)
        if isinstance(connector, Queues):
            queue = await connector.open_queue(desk, f"isthmus-{app.place.registration_id}")
    found = Checked(
        state="live", far_id=made.id if made else None, topics=sorted(app.topics), next_at=scope.now + _DAY,
        repaired=repaired, queue=queue,
    )  # fmt: skip
    async with scope.tx() as tx:
        known = await store.subscription(tx, app.place, locked=True)
        await store.checked(tx, app.place, found, scope.now)
        if known is None or known["state"] != "live" or repaired:
            tx.emit(
                SubscriptionMade(subject=app.place.provider, body={"repaired": bool(known and known["checked_at"])})
            )
    return queue


async def _mended(connector: Subscriber, desk: Desk, url: str, topics: frozenset[str]) -> tuple[Subscription, bool]:
    """What the platform pushes to our address, and whether it had to be asked for."""
    for one in await connector.subscriptions(desk):
        if one.url == url and one.live and topics <= one.topics:
            return one, False
    return await connector.subscribe(desk, url, topics), True


async def _address(app: _App) -> Secret:
    """The address of the app's source, which is made when there is none."""
    scope, place = app.scope, app.place
    async with scope.tx() as tx:
        known = await store.subscription(tx, place)
        if known is not None and known["source_id"] is not None:
            return await vault.open(scope, tx, known["sealed_url"], owner=place.registration_id, field=_FIELD)
    seen = await managing.add(scope, Wanted(place.provider, pulled=True))
    assert seen.url is not None  # noqa: S101 - a source that was just made
    async with scope.tx() as tx:
        sealed = await vault.seal(scope, tx, seen.url, owner=place.registration_id, field=_FIELD)
        first = await store.give_source(tx, place, seen.source.id, sealed)
    if not first:
        await managing.remove(scope, seen.source.id)
        return await _address(app)
    return seen.url


async def _part(scope: Scope, place: Place) -> None:
    """A connection has ended: with the last one of an app nothing is asked for any more."""
    system = System(scope.engine, scope.clock)
    if not place.registration_id or await connections.in_use(system, place.registration_id):
        return
    held = system.scope(place.tenant_id, _PART)
    try:
        app = await _app(held, place.provider, place.registration_id)
    except (catalog.AppMissing, catalog.ProviderNotConnectable):
        app = None
    if app is not None:
        await _unsubscribe(app)
    async with held.tx() as tx:
        known = await store.subscription(tx, place)
        if known is not None:
            await store.remove(tx, place)
            tx.emit(SubscriptionRemoved(subject=place.provider, body={"sourceId": known["source_id"]}))


async def _unsubscribe(app: _App) -> None:
    connector, url = app.registration.connector, await _address(app)
    if not isinstance(connector, Subscriber):
        return
    async with connections.desk(app.scope, app.registration) as desk:
        for one in await connector.subscriptions(desk):
            if one.url == url.reveal():
                await connector.unsubscribe(desk, one)


async def reseal(  # house: silent - the addresses stay what they are
    scope: Scope, after: str | None, limit: int
) -> str | None:
    """Seal some addresses anew under the tenant's current data key (VA-09)."""
    async with scope.tx() as tx:
        rows = await store.to_reseal(tx, scope.tenant_id, after or "", limit)
        for row in rows:
            place = Place(scope.tenant_id, row["provider"], row["registration_id"])
            sealed = await vault.reseal(scope, tx, row["sealed_url"], owner=place.registration_id, field=_FIELD)
            if sealed is not None:
                await store.update_sealed(tx, place, row["sealed_url"], sealed)
    return str(rows[-1]["key"]) if len(rows) == limit else None


async def listed(scope: Scope) -> list[dict[str, Any]]:
    """What is asked for at platforms in the name of the tenant's own apps."""
    async with scope.tx() as tx:
        return [dict(one) for one in await store.subscriptions(tx, scope.tenant_id)]
