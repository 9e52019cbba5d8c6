"""What people see of deliveries, and what they may ask for: look, and work one off once more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.features import sync
from isthmus.features.webhooks_in.errors import DeliveryNotFound, NotRetryable
from isthmus.features.webhooks_in.events import DeliveryRetried
from isthmus.features.webhooks_in.model.deliveries import Delivery, State
from isthmus.features.webhooks_in.service import managing, offering, planning, waking
from isthmus.features.webhooks_in.service.intake import ROUTE
from isthmus.features.webhooks_in.store import log as store
from isthmus.features.webhooks_in.store import planning as plans
from isthmus.features.webhooks_in.store import tasks
from isthmus.features.webhooks_in.store.log import Filters as Filters
from isthmus.kit.errors import NotFound
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope, System, Tx


@dataclass(frozen=True, slots=True)
class Whole:
    """A delivery with what each handler did, its timeline, and the runs that it started."""

    delivery: Delivery
    steps: Sequence[Mapping[str, Any]]
    tasks: Sequence[Mapping[str, Any]] = ()
    runs: Sequence[sync.Run] = ()


async def deliveries(scope: Scope, wanted: Filters, ask: Ask) -> Page[Delivery]:
    """The log, newest first."""
    async with scope.tx() as tx:
        return await store.deliveries(tx, scope.tenant_id, wanted, ask)


async def delivery(scope: Scope, id_: str) -> Whole:
    """One delivery, whole. Raises DeliveryNotFound."""
    async with scope.tx() as tx:
        found = await store.delivery(tx, scope.tenant_id, id_)
        if found is None:
            raise DeliveryNotFound
        steps = [dict(row) for row in await store.steps(tx, scope.tenant_id, id_)]
        done = [dict(row) for row in await tasks.of(tx, scope.tenant_id, id_)]
    return Whole(found, steps, done, [run for one in done if (run := await _run(scope, one["run_id"])) is not None])


async def _run(scope: Scope, run_id: str | None) -> sync.Run | None:
    """The run as it stands now; runs are forgotten in their own time."""
    if run_id is None:
        return None
    try:
        return await sync.run(scope, run_id)
    except NotFound:
        return None


async def refused(scope: Scope, source_id: str, ask: Ask) -> Page[Mapping[str, Any]]:
    """What a source refused of late. Raises SourceNotFound."""
    await managing.own(scope, source_id)
    async with scope.tx() as tx:
        return await store.refused(tx, scope.tenant_id, source_id, ask)


async def retry(scope: Scope, id_: str, handler: str | None = None) -> Whole:
    """Work a delivery off once more: what failed, of one handler or of all; without failures everything.

    What had nowhere to go is routed anew. Raises DeliveryNotFound, NotRetryable.
    """
    await offering.settle(System(scope.engine, scope.clock))
    found = (await delivery(scope, id_)).delivery
    lent = await planning.lent(scope)
    async with scope.tx() as tx:
        if found.state == State.UNROUTED:
            source_ids = await plans.unroute(tx, scope.tenant_id, [id_])
            if not source_ids:
                raise NotRetryable
            await tx.enqueue(ROUTE, source_ids[0])
        else:
            for key in await _keys(scope, tx, found, handler, lent):
                await tx.enqueue(waking.job(scope.tenant_id, key), key)
        tx.emit(DeliveryRetried(subject=id_, after={"handler": handler}))
    return await delivery(scope, id_)


async def _keys(
    scope: Scope, tx: Tx, found: Delivery, handler: str | None, lent: Mapping[str, planning.Expressions]
) -> Sequence[str]:
    failed = await tasks.again(tx, scope.tenant_id, found.id, scope.now, handler)
    if failed or handler is not None or found.state in {State.RECEIVED, State.WAITING}:
        if not failed:
            raise NotRetryable
        return failed
    return await planning.again(scope, tx, await plans.subjects(tx, scope.tenant_id, [found.id]), lent)
