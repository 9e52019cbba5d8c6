"""One stock in several shops: what each sold is counted, and what each is to show is wanted there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from isthmus.connect.edits import EditField
from isthmus.connect.shapes import Inventory
from isthmus.engine.db import Tx as SystemTx
from isthmus.engine.queue import Wake
from isthmus.features import connections, pushes, records
from isthmus.features.links.errors import BuffersChangedMeanwhile, InventoryChangedMeanwhile, WrongInventory
from isthmus.features.links.events import BuffersSet, InventoryChanged, InventorySet
from isthmus.features.links.model.sharing import Counted, Place, Spot, Standing, Step, counted, step
from isthmus.features.links.service.joining import join
from isthmus.features.links.store import items as store
from isthmus.kit.errors import Problem
from isthmus.kit.etags import etag
from isthmus.kit.ids import made_at
from isthmus.scope import Scope, System, Tx

JOB: Final = "links.balance"
_MOST: Final = 500
_MOST_STOCK: Final = 10**12
_AGAIN: Final = timedelta(seconds=5)
_STOCK: Final = EditField.STOCK
_TYPE: Final = "product"
#: How soon a shop is asked again to show what it has refused, where nothing has changed meanwhile.
_REFUSED: Final = timedelta(minutes=15)
#: What stays noted as wanted: it is still to go out, or is not to be asked for again yet.
_KEPT: Final = frozenset({Standing.UNSENT, Standing.REFUSED})


@dataclass(frozen=True, slots=True)
class ItemDetail:
    """An item and where it is sold."""

    row: Mapping[str, Any]
    links: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Given:
    """What there is of one item, which is named by its id or its SKU; None stops sharing it."""

    stock: int | None
    item_id: str | None = None
    sku: str | None = None


async def inventory(scope: Scope, product_id: str) -> list[ItemDetail]:
    """What a product's shops have in common; empty where nothing is linked. Raises NotFound.

    Without shops whose integration may not read products any more.
    """
    await records.product(scope, product_id)
    async with scope.tx() as tx:
        rows = await store.items(tx, product_id)
        links = await store.links(tx, [row["id"] for row in rows])
        walled = await records.walled(tx)
    shown = {
        id_: [one for one in several if (one["connection_id"], _TYPE) not in walled] for id_, several in links.items()
    }
    return [ItemDetail(row, shown.get(row["id"], ())) for row in rows]


def etag_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Stands for the stock of a product's items."""
    return etag([(row["id"], row["stock"]) for row in rows])


async def set_inventory(scope: Scope, product_id: str, given: Sequence[Given]) -> list[ItemDetail]:
    """Say what there is of a product's items; every shop is to show it from then on, less its buffer.

    Raises NotFound, WrongInventory, InventoryChangedMeanwhile.
    """
    await records.product(scope, product_id)
    async with scope.tx() as tx:
        rows = await store.items(tx, product_id, locked=True)
        before = {row["id"]: row["stock"] for row in rows}
        after = {_named(rows, one): one.stock for one in given}
        if before | after != before:
            scope.check_seen(etag_of(rows), InventoryChangedMeanwhile)
        for id_, stock in sorted(after.items()):
            await store.item(tx, id_)
            await _restart(tx, id_)
            await store.set_stock(tx, id_, stock, scope.now, scope.now)
            await tx.enqueue(JOB, id_)
        await _total(tx, scope, product_id)
        told = {id_: before[id_] for id_ in after}
        tx.emit(InventorySet(subject=product_id, body={"items": after}, before={"items": told}, after={"items": after}))
    return await inventory(scope, product_id)


def _named(rows: Sequence[Mapping[str, Any]], given: Given) -> str:
    if given.stock is not None and not 0 <= given.stock <= _MOST_STOCK:
        raise WrongInventory.field("stock", "Stock is a whole number from 0 on.")
    fits = [row["id"] for row in rows if given.item_id == row["id"] or (given.sku and given.sku == row["sku"])]
    if len(fits) != 1:
        raise WrongInventory.field("items", f"The product has no such item: {given.item_id or given.sku}.")
    return str(fits[0])


async def _restart(tx: Tx, id_: str) -> None:
    """What the shops show just now is in the amount that somebody counted: only later changes are differences.

    A value of ours that is still on its way is none either, once it has arrived.
    """
    links = (await store.links(tx, [id_])).get(id_, [])
    live = await pushes.under_way(tx, [one["listing_id"] for one in links], _STOCK)
    rows = [
        {
            "listing_id": one["listing_id"],
            "variant": one["variant"],
            "seen": one["stock"],
            "forget": (one["listing_id"], one["variant"]) not in live,
        }
        for one in links
    ]
    if rows:
        await store.count(tx, rows)


async def buffers(scope: Scope) -> Mapping[str, int]:
    """How many of each item a connection does not show, by connection."""
    async with scope.tx() as tx:
        return await store.buffers(tx)


async def set_buffer(scope: Scope, connection_id: str, buffer: int) -> Mapping[str, int]:
    """Keep so many of each item back from a connection. Raises ConnectionNotFound, BuffersChangedMeanwhile."""
    await connections.connection(scope, connection_id)
    async with scope.tx() as tx:
        await store.hold_buffers(tx)
        known = await store.buffers(tx)
        before = known.get(connection_id, 0)
        if buffer != before:
            scope.check_seen(etag(known), BuffersChangedMeanwhile)
        await store.set_buffer(tx, connection_id, buffer)
        await store.make_due_of_connection(tx, scope.tenant_id, connection_id, scope.now)
        tx.emit(BuffersSet(subject=connection_id, body={"buffer": buffer}, before={"buffer": before}))
    return await buffers(scope)


async def balance(scope: Scope, item_id: str) -> None:
    """Compare an item with its shops, once; done twice it changes nothing more.

    What its shops sell since lately is linked first.
    """
    await join(scope, item_id)
    async with scope.tx() as tx:
        links = (await store.links(tx, [item_id])).get(item_id, [])
    homes = {
        id_: home for id_ in {one["connection_id"] for one in links} if (home := await _home(scope, id_)) is not None
    }
    async with scope.tx() as tx:
        row = await store.item(tx, item_id)
        if row is None:
            return
        links = (await store.links(tx, [item_id])).get(item_id, [])
        places = await _places(tx, links, scope.now)
        found = counted(row["stock"], list(places))
        await _count(tx, found)
        able = {place: places[place] for place in found.wants if places[place]["connection_id"] in homes}
        steps = await _steps(tx, {place: found.wants[place] for place in able}, able, homes)
        ready = {place: one for place, one in steps.items() if _is_free(place, one, places[place])}
        await _want(tx, scope, ready, places)
        waits = len(ready) < len(steps) or any(place.standing is Standing.UNDER_WAY for place in places)
        soon = _AGAIN if waits else _REFUSED if _is_refused(found.wants) else None
        due = scope.now + soon if soon is not None and row["stock"] is not None else None
        await store.set_stock(tx, item_id, found.stock, due, scope.now)
        if found.stock != row["stock"]:
            await _total(tx, scope, row["product_id"])
            body = {"productId": row["product_id"], "itemId": item_id, "sku": row["sku"], "stock": found.stock}
            tx.emit(InventoryChanged(subject=item_id, body=body))


async def _home(scope: Scope, connection_id: str) -> str | None:
    """Where a connection keeps the rest of a shared stock, empty where nobody said; None where none can be written."""
    try:
        about = await pushes.about(scope, connection_id)
    except Problem:
        return None
    return about.home if _STOCK in about.writing.fields else None


async def _places(tx: Tx, links: Sequence[Mapping[str, Any]], now: datetime) -> dict[Place, Mapping[str, Any]]:
    live = await pushes.under_way(tx, [one["listing_id"] for one in links], _STOCK)
    ends = await pushes.ended(tx, [one["push_id"] for one in links if one["push_id"]], _STOCK)
    found: dict[Place, Mapping[str, Any]] = {}
    for one in links:
        if one["status"] == "deleted":
            continue
        standing = _standing(one, live, ends, now)
        place = Place(
            one["listing_id"], one["variant"], one["stock"], one["seen"], one["wanted"], standing, one["buffer"]
        )
        found[place] = {**one, "live": live.get((one["listing_id"], one["variant"]))}
    return found


def _standing(
    one: Mapping[str, Any],
    live: Mapping[tuple[str, str], pushes.Live],
    ends: Mapping[tuple[str, str, str], str],
    now: datetime,
) -> Standing:
    known = live.get((one["listing_id"], one["variant"]))
    if known is not None:
        return Standing.UNSENT if known.unsent else Standing.UNDER_WAY
    end = ends.get((one["push_id"] or "", one["listing_id"], one["variant"]))
    if end in (pushes.ItemState.DONE, pushes.ItemState.AGREED):
        return Standing.TAKEN
    if end == pushes.ItemState.REFUSED and one["stock"] == one["seen"] and now < made_at(one["push_id"]) + _REFUSED:
        return Standing.REFUSED
    return Standing.NONE


def _is_refused(wants: Iterable[Place]) -> bool:
    return any(place.standing is Standing.REFUSED for place in wants)


async def _count(tx: Tx, found: Counted) -> None:
    rows = [
        {
            "listing_id": place.listing_id,
            "variant": place.variant,
            "seen": seen,
            "forget": place.standing not in _KEPT,
        }
        for place, seen in found.seen.items()
    ]
    if rows:
        await store.count(tx, rows)


async def _steps(
    tx: Tx, wants: Mapping[Place, int], links: Mapping[Place, Mapping[str, Any]], homes: Mapping[str, str]
) -> dict[Place, Step]:
    """What is to be written next for each, by what its shop shows at its locations."""
    wholes = await records.wholes(tx, sorted({place.listing_id for place in wants}))
    found = {}
    for place, target in wants.items():
        variants = wholes[place.listing_id].listing.variants
        shown = next((one.inventory for one in variants if one.external_id == place.variant), ())
        connection_id = links[place]["connection_id"]
        home = homes[connection_id]
        if not home and _is_nowhere(shown):
            home = await records.linked.usual_location(tx, connection_id)
        spots = _spots(shown, home)
        wanted = step(spots, target, home if not spots or spots[0].location else "")
        if wanted is not None and not (place.standing in _KEPT and wanted.total == place.wanted):
            found[place] = wanted
    return found


def _is_nowhere(shown: Sequence[Inventory]) -> bool:
    """Whether nothing is left anywhere: platforms leave empty locations out, and name none then."""
    return len(shown) == 1 and not shown[0].location_external_id and not shown[0].available


def _spots(shown: Sequence[Inventory], home: str) -> list[Spot]:
    """The only location needs no name, unless the rest is to lie at another one."""
    if home and _is_nowhere(shown):
        return []
    if len(shown) == 1 and home in ("", shown[0].location_external_id):
        return [Spot("", shown[0].available)]
    return [Spot(one.location_external_id or "", one.available, one.owner == "seller") for one in shown]


def _is_free(place: Place, wanted: Step, link: Mapping[str, Any]) -> bool:
    """Whether no value for another location of the variant waits: two would be counted as one."""
    live: pushes.Live | None = link["live"]
    return place.standing is not Standing.UNSENT or live is None or live.locations == {wanted.location}


async def _want(tx: Tx, scope: Scope, wants: Mapping[Place, Step], places: Mapping[Place, Mapping[str, Any]]) -> None:
    if not wants:
        return
    wishes = [
        pushes.Wish(
            scope.id("edt"),
            places[place]["connection_id"],
            pushes.Place(place.listing_id, place.variant, _STOCK, wanted.location),
            wanted.value,
            (wanted.based_on,),
        )
        for place, wanted in sorted(wants.items(), key=lambda pair: (pair[0].listing_id, pair[0].variant))
    ]
    push_id = await pushes.note(tx, scope, wishes, "inventory")
    rows = [
        {"listing_id": place.listing_id, "variant": place.variant, "wanted": wanted.total}
        for place, wanted in wants.items()
    ]
    await store.want(tx, rows, push_id)


async def _total(tx: Tx, scope: Scope, product_id: str) -> None:
    """A product shows what there is of all its items together."""
    known = [row["stock"] for row in await store.items(tx, product_id) if row["stock"] is not None]
    await records.linked.set_stock(tx, product_id, sum(known) if known else None, scope.now)


async def missing(system: System, tx: SystemTx) -> Sequence[Wake]:
    """Items whose shops are to be compared."""
    return [Wake(JOB, id_, tenant_id) for tenant_id, id_ in await store.due(tx, system.now, _MOST)]


async def wake(system: System) -> None:
    """Wake them: a sale in one shop is to show in the others within seconds."""
    async with system.tx() as tx:
        found = await missing(system, tx)
        if found:
            await system.engine.queue.enqueue_missing(tx, found)


async def changed(tx: SystemTx, events: Sequence[Mapping[str, Any]]) -> None:  # house: silent - balancing tells
    """Listings changed: what they sell may be sold elsewhere too."""
    await store.make_due(tx, [(one["tenant_id"], one["subject"]) for one in events], events[-1]["at"])


async def pushed(tx: SystemTx, event: Mapping[str, Any]) -> None:  # house: silent - balancing tells
    """A push has ended: what it brought, or did not, is counted."""
    await store.make_due_of_push(tx, event["tenant_id"], event["subject"], event["at"])
