"""The kinds of records that are searched: which events tell of their changes, and how they are read."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from isthmus.engine.db import Tx
from isthmus.features import orders, records

Rows = Sequence[Mapping[str, Any]]
Named = Callable[[Tx, str, Sequence[str]], Awaitable[Rows]]
Through = Callable[[Tx, str, Sequence[str]], Awaitable[Sequence[str]]]
Behind = Callable[[Tx, str, str, int], Awaitable[Rows]]


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of record.

    events: the types whose subject is a record of this kind. named: those of these records of a tenant that are to be
    found. behind: the next records of all tenants in the order of tenant and id. Rows hold tenant_id, id,
    connection_id, provider, entity, shard_type, external_id, title, extra, snippet, url, version and updated_at.
    """

    name: str
    events: tuple[str, ...]
    named: Named
    behind: Behind
    through: Through


SOURCES: Final[tuple[Source, ...]] = (
    Source(
        "listings",
        ("listing.created", "listing.updated", "listing.deleted"),
        records.listings_named,
        records.listings_behind,
        records.listings_through,
    ),
    Source(
        "orders",
        ("order.created", "order.updated", "order.status_changed"),
        orders.orders_named,
        orders.orders_behind,
        orders.orders_through,
    ),
    Source(
        "records",
        ("record.created", "record.updated", "record.deleted"),
        records.records_named,
        records.records_behind,
        records.records_through,
    ),
)
