"""What people see of deliveries, and what they may ask for: look, and work one off once more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.features.webhooks_in.errors import DeliveryNotFound, NotRetryable
from isthmus.features.webhooks_in.events import DeliveryRetried
from isthmus.features.webhooks_in.model.deliveries import Delivery
from isthmus.features.webhooks_in.service import managing
from isthmus.features.webhooks_in.service.routing import HANDLE
from isthmus.features.webhooks_in.store import log as store
from isthmus.features.webhooks_in.store.log import Filters as Filters
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope


@dataclass(frozen=True, slots=True)
class Whole:
    """A delivery with its timeline."""

    delivery: Delivery
    steps: Sequence[Mapping[str, Any]]


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
        return Whole(found, [dict(row) for row in await store.steps(tx, scope.tenant_id, id_)])


async def refused(scope: Scope, source_id: str, ask: Ask) -> Page[Mapping[str, Any]]:
    """What a source refused of late. Raises SourceNotFound."""
    await managing.own(scope, source_id)
    async with scope.tx() as tx:
        return await store.refused(tx, scope.tenant_id, source_id, ask)


async def retry(scope: Scope, id_: str) -> Whole:
    """Work a delivery off once more. Raises DeliveryNotFound, NotRetryable."""
    await delivery(scope, id_)
    async with scope.tx() as tx:
        key = await store.again(tx, scope.tenant_id, id_, scope.now)
        if key is None:
            raise NotRetryable
        await tx.enqueue(HANDLE, key)
        tx.emit(DeliveryRetried(subject=id_))
    return await delivery(scope, id_)
