"""Lists and details of products and listings."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import starmap
from operator import methodcaller
from typing import Annotated, Any, Literal

import msgspec
import nh3
from fastapi import Depends, Query
from starlette.responses import Response

from isthmus.connect.shapes import ListingStatus
from isthmus.features.records import service
from isthmus.features.records.errors import FeedTooOld
from isthmus.features.records.model import ListingFilter, RecordFilter
from isthmus.features.records.service import ListingDetail, ProductDetail, Row
from isthmus.http import Answer, Moment, PageDep, Routes, ScopeDep, document
from isthmus.kit.errors import NotFound
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission

READ = permission("products:read", "Read products and listings", SUPER_ADMIN, TENANT_ADMIN, USER)
products = Routes(prefix="/api/products", tag="Products")
listings = Routes(prefix="/api/listings", tag="Products")
READ_RECORDS = permission("records:read", "Read records of every kind", SUPER_ADMIN, TENANT_ADMIN, USER)
entries = Routes(prefix="/api/records", tag="Records")


#: A decimal that the store has made a text of already.
_Price = Annotated[str, msgspec.Meta(extra_json_schema={"format": "decimal"})]


class ListingOut(Answer, frozen=True):
    """A listing as lists show it; `price` is the lowest a buyer pays, `stock` what can be sold over all variants.

    Its fields stand in the order of the store's columns: filled by place, a page costs a ninth of what it does by name.
    """

    id: str
    product_id: str
    connection_id: str
    provider: str
    external_id: str
    title: str
    status: str
    sku: str | None
    variant_count: int
    currency: str | None
    price: _Price | None
    stock: int | None
    version: int
    updated_at: datetime


class VariantOut(Answer, frozen=True, kw_only=True):
    """What is sold; `duplicate_sku` says that the connection sells another variant under the same SKU."""

    id: str
    external_id: str
    sku: str | None
    barcode: str | None
    title: str | None
    status: str
    currency: str | None
    price: _Price | None
    list_price: _Price | None
    stock: int | None
    duplicate_sku: bool


class ListingFull(ListingOut, frozen=True, kw_only=True):
    """A listing with its history, canonical record, variants and, when asked for, what the platform sent."""

    platform_status: str
    platform_updated_at: datetime | None
    created_at: datetime
    record: dict[str, Any]
    variants: list[VariantOut]
    raw: Any | msgspec.UnsetType = msgspec.UNSET


class ProductOut(Answer, frozen=True, kw_only=True):
    """The merchant's own product and the listings that sell it."""

    id: str
    title: str
    sku: str | None
    status: str
    currency: str | None
    price: _Price | None
    stock: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    listings: list[ListingOut]


class DuplicateSku(Answer, frozen=True, kw_only=True):
    """A SKU that one connection sells more than once."""

    sku: str
    variants: int


class ListingList(Answer, frozen=True, kw_only=True):
    """A page of listings."""

    items: list[ListingOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class ProductList(Answer, frozen=True, kw_only=True):
    """A page of products."""

    items: list[ProductOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class DuplicateSkuList(Answer, frozen=True, kw_only=True):
    """A page of duplicated SKUs."""

    items: list[DuplicateSku]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class RecordOut(Answer, frozen=True, kw_only=True):
    """A record of any kind, with the fields that its provider's mapping gives it."""

    id: str
    connection_id: str
    provider: str
    entity: str
    shard_type: str
    external_id: str
    title: str
    url: str | None
    body: dict[str, Any]
    version: int
    source_updated_at: datetime | None
    created_at: datetime
    updated_at: datetime


class RecordList(Answer, frozen=True, kw_only=True):
    """A page of records."""

    items: list[RecordOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


_VALUES = methodcaller("values")


async def _bounds(
    min_stock: Annotated[int | None, Query(alias="minStock", ge=-(10**12), le=10**12)] = None,
    max_stock: Annotated[int | None, Query(alias="maxStock", ge=-(10**12), le=10**12)] = None,
    min_price: Annotated[Decimal | None, Query(alias="minPrice", ge=0, max_digits=20)] = None,
    max_price: Annotated[Decimal | None, Query(alias="maxPrice", ge=0, max_digits=20)] = None,
) -> ListingFilter:
    return ListingFilter(min_stock=min_stock, max_stock=max_stock, min_price=min_price, max_price=max_price)


async def _wanted(
    bounds: Annotated[ListingFilter, Depends(_bounds)],
    connection_id: Annotated[str | None, Query(alias="connectionId", max_length=64)] = None,
    provider: Annotated[str | None, Query(max_length=64)] = None,
    status: Annotated[ListingStatus | None, Query()] = None,
    sku: Annotated[str | None, Query(max_length=200)] = None,
    search: Annotated[str | None, Query(max_length=200, description="A part of the title.")] = None,
    updated_since: Annotated[Moment | None, Query(alias="updatedSince")] = None,
) -> ListingFilter:
    return ListingFilter(
        connection_id=connection_id,
        provider=provider,
        status=status,
        sku=sku,
        search=search,
        updated_since=updated_since,
        min_stock=bounds.min_stock,
        max_stock=bounds.max_stock,
        min_price=bounds.min_price,
        max_price=bounds.max_price,
    )


FilterDep = Annotated[ListingFilter, Depends(_wanted)]


@products.get("", permission=READ, limit="other", response_model=ProductList, summary="Products with their listings")
async def list_products(scope: ScopeDep, paging: PageDep, wanted: FilterDep) -> Response:
    """Newest first. Filters on connection, provider, status and SKU ask for a listing that has them all."""
    page = await service.products(scope, wanted, paging.ask)
    return paging.listing("items", _mapped(page, _product))


@products.get(
    "/{id}", permission=READ, limit="other", response_model=ProductOut, summary="One product", errors=(NotFound,)
)
async def get_product(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's own word
    """The product and the listings that sell it."""
    return document(_product(await service.product(scope, id)))


@listings.get("", permission=READ, limit="other", response_model=ListingList, summary="Listings of the marketplaces")
async def list_listings(scope: ScopeDep, paging: PageDep, wanted: FilterDep) -> Response:
    """Newest first."""
    page = await service.listings(scope, wanted, paging.ask)
    return paging.listing("items", Page(_listings(page.items), page.next_after, page.total, page.has_more))


@listings.get(
    "/duplicate-skus",
    permission=READ,
    limit="other",
    response_model=DuplicateSkuList,
    summary="SKUs that one connection sells more than once",
)
async def list_duplicate_skus(
    scope: ScopeDep, paging: PageDep, connection_id: Annotated[str, Query(alias="connectionId", max_length=64)]
) -> Response:
    """Duplicates inside one connection are reported and never merged."""
    page = await service.duplicate_skus(scope, connection_id, paging.ask)
    return paging.listing("items", _mapped(page, lambda row: DuplicateSku(sku=row["sku"], variants=row["variants"])))


@listings.get(
    "/{id}", permission=READ, limit="other", response_model=ListingFull, summary="One listing", errors=(NotFound,)
)
async def get_listing(
    scope: ScopeDep,
    id: str,  # noqa: A002 - the path's own word
    include: Annotated[Literal["raw"] | None, Query(description="`raw`: also what the platform sent.")] = None,
) -> Response:
    """The listing with its canonical record and its variants."""
    return document(_full(await service.listing(scope, id, with_raw=include == "raw")))


async def _records_wanted(
    connection_id: Annotated[str | None, Query(alias="connectionId", max_length=64)] = None,
    provider: Annotated[str | None, Query(max_length=64)] = None,
    entity: Annotated[str | None, Query(max_length=100)] = None,
    shard_type: Annotated[str | None, Query(alias="shardType", max_length=100)] = None,
    search: Annotated[str | None, Query(max_length=200, description="A part of the title.")] = None,
    updated_since: Annotated[Moment | None, Query(alias="updatedSince")] = None,
) -> RecordFilter:
    return RecordFilter(connection_id, provider, entity, shard_type, None, search, updated_since)


@entries.get("", permission=READ_RECORDS, limit="other", response_model=RecordList, summary="Records of every kind")
async def list_records(
    scope: ScopeDep, paging: PageDep, wanted: Annotated[RecordFilter, Depends(_records_wanted)]
) -> Response:
    """Newest first. Listings and orders have lists of their own."""
    page = await service.entries(scope, wanted, paging.ask)
    return paging.listing("items", _mapped(page, lambda row: RecordOut(**row)))


class ChangeOut(Answer, frozen=True, kw_only=True):
    """One change of a product's listing, an order or a record; `about` names connection, provider and external id."""

    kind: str
    change: str
    id: str
    at: datetime
    about: dict[str, Any]


class ChangeList(Answer, frozen=True, kw_only=True):
    """Changes in commit order; `next` is where to go on, also when there are none yet."""

    items: list[ChangeOut]
    next: str
    has_more: bool


@entries.get(
    "/changes",
    permission=READ_RECORDS,
    limit="other",
    response_model=ChangeList,
    summary="What changed",
    errors=(FeedTooOld,),
)
async def list_changes(
    scope: ScopeDep,
    since: Annotated[
        str | None, Query(max_length=80, description="`next` of an earlier answer; `now` begins with what comes.")
    ] = None,
    kinds: Annotated[list[Literal["product", "order", "record"]] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """A feed to follow: no change is skipped, also none that is committed late. Read the objects themselves anew."""
    found = await service.changes(scope, since, kinds or (), limit)
    items = [ChangeOut(kind=one.kind, change=one.change, id=one.id, at=one.at, about=one.about) for one in found.items]
    return document(ChangeList(items=items, next=found.next, has_more=found.has_more))


@entries.get(
    "/{id}", permission=READ_RECORDS, limit="other", response_model=RecordOut, summary="One record", errors=(NotFound,)
)
async def get_record(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's own word
    """One record of any kind."""
    return document(RecordOut(**await service.entry(scope, id)))


def _mapped(page: Page[Any], shape: Any) -> Page[Any]:  # noqa: ANN401 - any row into any answer
    return Page([shape(row) for row in page.items], page.next_after, page.total, page.has_more)


def _listings(rows: Iterable[Row]) -> list[ListingOut]:
    return list(starmap(ListingOut, map(_VALUES, rows)))


def _product(detail: ProductDetail) -> ProductOut:
    return ProductOut(**detail.row, listings=_listings(detail.listings))


def _full(detail: ListingDetail) -> ListingFull:
    shown = {name: value for name, value in detail.row.items() if name != "body"}
    variants = [VariantOut(**row, duplicate_sku=row["sku"] in detail.twins) for row in detail.variants]
    raw = msgspec.UNSET if detail.raw is None else _as_sent(detail.raw)
    return ListingFull(**shown, record=_harmless(detail.row["body"]), variants=variants, raw=raw)


def _harmless(record: dict[str, Any]) -> dict[str, Any]:
    """The record with its HTML cleaned: it is stored as it came, and shown in pages of ours (security.md CP-02)."""
    markup = record.get("description_html")
    return {**record, "description_html": nh3.clean(markup)} if isinstance(markup, str) and markup else record


def _as_sent(raw: bytes) -> object:
    """The platform's own JSON, byte for byte where it is JSON, else as a readable text."""
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw.decode("utf-8", "replace")
    return msgspec.Raw(raw)
