"""Orders of tests, and a scope that can seal what is personal of them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
from tests.given import keys
from tests.given import records as given_records
from tests.house_database import Copy

from isthmus.connect.keeping import Written
from isthmus.connect.shapes import Address, Customer, Order, OrderLine, OrderStatus, Shipment, Totals
from isthmus.engine.db import Database
from isthmus.features import orders, records
from isthmus.features.orders import OrderItem, Settings
from isthmus.features.vault import Vault
from isthmus.kit.clock import SYSTEM, Clock
from isthmus.scope import Engine, Scope

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
ORIGIN = given_records.Origin("con_one", "shelf")


def line(external_id: str = "l1", price: str = "10.00", quantity: int = 1, **more: Any) -> OrderLine:
    """A line in state `ready_to_fulfil`."""
    amount = Decimal(price)
    told: dict[str, Any] = {"sku": f"SKU-{external_id}", "status": OrderStatus.READY_TO_FULFIL} | more
    return OrderLine(external_id, "Áo thun", quantity, amount, amount * quantity, **told)


def customer(external_id: str | None = "9001", name: str = "Demo Nguyen", **more: Any) -> Customer:
    """Somebody who bought."""
    return Customer(external_id, name, **({"phone": "0900000012"} | more))


def address(name: str = "Demo Nguyen", **more: Any) -> Address:
    """Where they live."""
    return Address(name=name, **({"line1": "1 Duong Demo", "city": "Ho Chi Minh", "phone": "0900000012"} | more))


def order(external_id: str, *lines: OrderLine, **more: Any) -> Order:
    """An order in VND whose money adds up."""
    bought = lines or (line(),)
    items = sum((one.line_total for one in bought), Decimal(0))
    told: dict[str, Any] = {
        "status": OrderStatus.READY_TO_FULFIL,
        "platform_status": "READY",
        "currency": "VND",
        "totals": Totals(items=items, grand_total=items + 5, shipping=Decimal(5)),
        "placed_at": NOON,
        "platform_updated_at": NOON,
        "customer": customer(),
        "shipping_address": address(),
    }
    return Order(external_id, **({"number": external_id} | told | more), lines=tuple(bought))


def shipment(external_id: str = "p1", **more: Any) -> Shipment:
    """A parcel."""
    return Shipment(external_id, **({"carrier": "Fast", "tracking_number": "T1"} | more))


def engine(database: Database, **knobs: Any) -> Engine:
    """The engines with a vault."""
    return given_records.engine(database, {Vault: Vault(keys.ring("first")), Settings: Settings(**knobs)})


def scope(made: Engine, tenant_id: str = "ten_one", clock: Clock = SYSTEM) -> Scope:
    """A merchant's own scope."""
    return given_records.scope(made, tenant_id, clock)


def item(made: Order, raw: bytes | None = None) -> OrderItem:
    """The order, ready to be written; by default other content is other bytes."""
    sent = repr(made).encode() if raw is None else raw
    return orders.item(made, sent, records.raw_hash(sent, given_records.READING))


async def write(in_scope: Scope, *made: Order, origin: given_records.Origin = ORIGIN) -> Written:
    """Write orders of one connection."""
    async with in_scope.tx() as tx:
        return await orders.write_orders(tx, in_scope, origin, [item(one) for one in made])


async def clear(copied: Copy) -> None:
    """Empty what orders have written."""
    admin = await asyncpg.connect(copied.admin_url)
    await admin.execute("truncate orders, customers, order_statuses, events, holdings cascade")
    await admin.close()
