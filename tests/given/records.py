"""Listings of tests, and a scope over this module's database."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import asyncpg
from tests.house_database import Copy

from isthmus.connect.shapes import Inventory, Listing, ListingStatus, Price, Variant
from isthmus.engine.bus import Bus
from isthmus.engine.db import Database
from isthmus.engine.queue import PgQueue
from isthmus.features import records
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.kit.permissions import Principal
from isthmus.scope import Engine, Scope

READING = records.revision("shelf", "1")


@dataclass(frozen=True)
class Origin:
    """A connection, as far as records know one."""

    id: str = "con_one"
    provider: str = "shelf"


def engine(database: Database, parts: Mapping[type, object] | None = None) -> Engine:
    """The engines on this database, with these parts."""
    return Engine(database, Bus(database), PgQueue(database), parts or {})


def scope(made: Engine, tenant_id: str = "ten_one", clock: Clock = SYSTEM) -> Scope:
    """A merchant's own scope."""
    person = Principal("user", "ann", "test", tenant_id, frozenset({"tenant_admin"}))
    return Scope(tenant_id, person, made, clock)


def variant(external_id: str, sku: str | None = None, *, price: str = "10.00", stock: int = 5, **more: Any) -> Variant:
    """A variant with a price in VND and some stock."""
    amount = Decimal(price)
    told: dict[str, Any] = {"price": Price("VND", amount, amount), "inventory": (Inventory(stock),)}
    return Variant(external_id, sku, **(told | more))


def listing(external_id: str, *variants: Variant, title: str = "Áo thun", **more: Any) -> Listing:
    """An active listing; without variants it gets one of its own id."""
    told: dict[str, Any] = {"status": ListingStatus.ACTIVE, "platform_status": "NORMAL"}
    sold = variants or (variant(external_id, f"SKU-{external_id}"),)
    return Listing(external_id, title, variants=sold, **(told | more))


def item(made: Listing, raw: bytes = b"{}") -> records.ListingItem:
    """The listing, ready to be written."""
    return records.item(made, raw, records.raw_hash(raw, READING))


async def write(in_scope: Scope, *made: Listing, origin: Origin = Origin(), raw: bytes = b"{}") -> records.Written:
    """Write listings of one connection."""
    async with in_scope.tx() as tx:
        return await records.write_listings(tx, in_scope, origin, [item(one, raw) for one in made])


async def clear(copied: Copy) -> None:
    """Empty what records and sync have written; nobody but the owner of the server may empty the log."""
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute("truncate products, shards, holdings, events, sync_runs, sync_cursors, sync_refreshes cascade")
    await admin.close()


async def events(in_scope: Scope, kind: str = "") -> list[dict[str, Any]]:
    """What the log holds of the tenant, oldest first, of the types that begin so."""
    async with in_scope.tx() as tx:
        rows = await tx.fetch_sql("select type, subject, public, audited, body from events order by xid, id")
    return [dict(row) for row in rows if row["type"].startswith(kind)]
