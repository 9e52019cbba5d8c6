"""The stock that several shops share, and what each keeps back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from isthmus.features.connections import ConnectionNotFound
from isthmus.features.links.errors import BuffersChangedMeanwhile, InventoryChangedMeanwhile, WrongInventory
from isthmus.features.links.routes.links import LINK, READ
from isthmus.features.links.service import balancing
from isthmus.features.links.service.balancing import Given, ItemDetail
from isthmus.http import Answer, Routes, ScopeDep, Wire, document
from isthmus.kit.errors import NotFound
from isthmus.kit.etags import etag

products = Routes(prefix="/api/products", tag="Products")
buffers = Routes(prefix="/api/links/buffers", tag="Products")
_Stock = Annotated[int, Field(ge=0, le=10**12)]


class SoldAt(Answer, frozen=True, kw_only=True):
    """Where an item is sold; `wanted` is what the shop is to show and does not yet."""

    listing_id: str
    variant: str
    connection_id: str
    linked_by: str
    stock: int | None
    wanted: int | None
    buffer: int


class ItemOut(Answer, frozen=True, kw_only=True):
    """What is sold in one shop or several; its `stock` is shared once somebody has said it."""

    id: str
    sku: str | None
    barcode: str | None
    title: str | None
    stock: int | None
    version: int
    updated_at: datetime
    sold_at: list[SoldAt]


class InventoryOut(Answer, frozen=True, kw_only=True):
    """The items of a product; none while its listings are not linked."""

    items: list[ItemOut]
    etag: str


class ItemStock(Wire):
    """What there is of one item, named by `itemId` or `sku`; null stops sharing it."""

    item_id: Annotated[str, Field(max_length=64)] | None = None
    sku: Annotated[str, Field(max_length=200)] | None = None
    stock: _Stock | None


class SetInventory(Wire):
    """What there is."""

    items: Annotated[list[ItemStock], Field(min_length=1, max_length=1_000)]


class SetBuffer(Wire):
    """How many of each item are kept back."""

    buffer: Annotated[int, Field(ge=0, le=1_000_000)]


class BuffersOut(Answer, frozen=True, kw_only=True):
    """What is kept back, by connection."""

    buffers: dict[str, int]
    etag: str


@products.get(
    "/{id}/inventory",
    permission=READ,
    limit="other",
    response_model=InventoryOut,
    summary="The stock that a product's shops share",
    errors=(NotFound,),
)
async def get_inventory(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's own word
    """Each item with the listings that sell it."""
    return document(_inventory(await balancing.inventory(scope, id)))


@products.put(
    "/{id}/inventory",
    permission=LINK,
    limit="other",
    response_model=InventoryOut,
    summary="Set the stock that a product's shops share",
    errors=(NotFound, WrongInventory),
    if_changed=InventoryChangedMeanwhile,
)
async def put_inventory(scope: ScopeDep, id: str, body: SetInventory) -> Response:  # noqa: A002 - the path's own word
    """Every shop shows it from then on, less its buffer, and what one sells is less in all."""
    given = [Given(one.stock, one.item_id, one.sku) for one in body.items]
    return document(_inventory(await balancing.set_inventory(scope, id, given)))


@buffers.get("", permission=READ, limit="other", response_model=BuffersOut, summary="Stock that is kept back")
async def get_buffers(scope: ScopeDep) -> Response:
    """Connections that are not named keep nothing back."""
    return document(_buffers(await balancing.buffers(scope)))


@buffers.put(
    "/{connection_id}",
    permission=LINK,
    limit="other",
    response_model=BuffersOut,
    summary="Keep stock back from a connection",
    errors=(ConnectionNotFound,),
    if_changed=BuffersChangedMeanwhile,
)
async def put_buffer(scope: ScopeDep, connection_id: str, body: SetBuffer) -> Response:
    """So many of each shared item are not shown there."""
    return document(_buffers(await balancing.set_buffer(scope, connection_id, body.buffer)))


def _buffers(known: Mapping[str, int]) -> BuffersOut:
    return BuffersOut(buffers=dict(known), etag=etag(known))


def _inventory(found: list[ItemDetail]) -> InventoryOut:
    return InventoryOut(items=[_item(one) for one in found], etag=balancing.etag_of([one.row for one in found]))


def _item(one: ItemDetail) -> ItemOut:
    row = one.row
    sold_at = [
        SoldAt(
            listing_id=link["listing_id"],
            variant=link["variant"],
            connection_id=link["connection_id"],
            linked_by=link["how"],
            stock=link["stock"],
            wanted=link["wanted"],
            buffer=link["buffer"],
        )
        for link in one.links
    ]
    return ItemOut(
        id=row["id"],
        sku=row["sku"],
        barcode=row["barcode"],
        title=row["title"],
        stock=row["stock"],
        version=row["version"],
        updated_at=row["updated_at"],
        sold_at=sold_at,
    )
