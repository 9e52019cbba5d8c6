"""Reads the queues of platforms into the same log as pushes: committed first, confirmed then (security.md PR-01)."""

from collections.abc import Sequence
from datetime import timedelta

from isthmus.connect.spi import Pulled, Queues
from isthmus.connect.webhooks import Webhooks
from isthmus.features import catalog, connections
from isthmus.features.webhooks_in.model import deliveries, reading
from isthmus.features.webhooks_in.model.deliveries import Entry
from isthmus.features.webhooks_in.model.inbound import Inbound, Request
from isthmus.features.webhooks_in.model.verifying import Verdict
from isthmus.features.webhooks_in.service import retaining
from isthmus.features.webhooks_in.service.intake import ROUTE
from isthmus.features.webhooks_in.service.subscribing import FAULTS, place_of, said
from isthmus.features.webhooks_in.settings import Settings
from isthmus.features.webhooks_in.store import intake
from isthmus.features.webhooks_in.store import subscriptions as store
from isthmus.features.webhooks_in.store.subscriptions import Place
from isthmus.kit import ids
from isthmus.scope import Scope, System

_MOST_BATCHES = 100
_AFTER_FAILURE = timedelta(minutes=2)
_PULLED = Verdict(True, "pulled", "Read from the platform's own queue, signed in as the app.")


async def pull(scope: Scope, key: str) -> None:  # house: silent - deliveries are the log of this
    """Read an app's queue until it is empty, then come back after a while."""
    place = place_of(scope, key)
    async with scope.tx() as tx:
        row = await store.subscription(tx, place)
    if row is None or row["queue"] is None or row["source_id"] is None:
        return
    # nobody else reads it meanwhile; if this worker dies, it is read again after the lease
    async with scope.tx() as tx:
        await store.pull_later(tx, place, scope.now + scope.part(Settings).lease)
    try:
        registration = await catalog.registration(scope, place.provider, place.registration_id)
        await _drain(scope, place, registration, row["source_id"], (row["queue"], row["place"]))
    except FAULTS as failure:
        async with scope.tx() as tx:
            await store.pull_later(tx, place, scope.now + _AFTER_FAILURE, said(failure))
        return
    async with scope.tx() as tx:
        await store.pull_later(tx, place, scope.now + scope.part(Settings).pull_every)


async def _drain(
    scope: Scope, place: Place, registration: catalog.Registration, source_id: str, where: tuple[str, str]
) -> None:
    connector, webhooks = registration.connector, registration.manifest.webhooks
    if not isinstance(connector, Queues) or webhooks is None:
        return
    queue, at = where
    async with connections.desk(scope, registration) as desk:
        for _ in range(_MOST_BATCHES):
            batch = await connector.pull_events(desk, queue, at)
            if not batch.bodies:
                return
            await _keep(scope, place, source_id, webhooks, batch)
            at = await connector.confirm_events(desk, queue, batch.place)
            async with scope.tx() as tx:
                await store.pull_later(tx, place, scope.now + scope.part(Settings).lease, confirmed=at)
            if not batch.more:
                return


async def _keep(scope: Scope, place: Place, source_id: str, webhooks: Webhooks, batch: Pulled) -> None:
    """Write events and place in one transaction; what came before, here or as a push, takes no effect."""
    system = System(scope.engine, scope.clock)
    entries = list(_entries(scope, place.provider, source_id, webhooks, batch.bodies).values())
    more = [len(batch.bodies) - len(entries), *[0] * (len(entries) - 1)]
    await retaining.ready(system)
    async with system.tx() as tx:
        kept, asleep = await intake.keep(tx, entries, more, scope.now)
        for tenant_id, woken in asleep:
            await scope.engine.queue.enqueue(tx, ROUTE, woken, tenant_id=tenant_id)
        await store.pulled(tx, place, batch.place, len(kept), scope.now)


def _entries(
    scope: Scope, provider: str, source_id: str, webhooks: Webhooks, bodies: Sequence[bytes]
) -> dict[bytes, Entry]:
    found: dict[bytes, Entry] = {}
    # ids of one moment have no order of their own: the queue's is theirs
    for body, id_ in zip(bodies, sorted(ids.many(len(bodies), scope.clock)), strict=True):
        inbound = Inbound(Request("PULL", "", (), {"content-type": "application/json"}, body))
        read = reading.read(inbound, webhooks, provider)
        digest = reading.digest(inbound, webhooks, source_id)
        found[digest] = Entry(
            digest=digest,
            tenant_id=scope.tenant_id,
            id=f"inb_{id_}",
            source_id=source_id,
            provider=provider,
            received_at=scope.now,
            request_id=scope.request_id,
            address="",
            method="PULL",
            query="",
            headers={},
            body=body,
            verdict=deliveries.told(_PULLED),
            topic=read.topic,
            event=read.event,
            entity=read.entity,
            account=read.account,
            object=read.object,
            occurred_at=read.occurred_at,
            simulated=False,
        )
    return found
