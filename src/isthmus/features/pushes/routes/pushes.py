"""Wanting values at far sides, and how the pushes stand."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from isthmus.connect.edits import EditField
from isthmus.features.connections import ConnectionNotFound, ShardTypeForbidden
from isthmus.features.pushes.errors import NothingToPush, NotWritable, PushNotFound, WrongEdit
from isthmus.features.pushes.model.edits import ItemState
from isthmus.features.pushes.model.values import read, shown
from isthmus.features.pushes.service import choosing, reading, retrying, wanting
from isthmus.features.pushes.service.choosing import Given, OfVariant
from isthmus.features.pushes.service.reading import Push, Row
from isthmus.features.pushes.service.wanting import Want
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, accepted, document
from isthmus.kit.errors import NotFound
from isthmus.kit.paging import Page
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission

READ = permission("pushes:read", "See what is being written at marketplaces", SUPER_ADMIN, TENANT_ADMIN, USER)
PUSH = permission("products:push", "Write prices, stock and texts at marketplaces", TENANT_ADMIN)
products = Routes(prefix="/api/products", tag="Products")
listings = Routes(prefix="/api/listings", tag="Products")
routes = Routes(prefix="/api/sync/pushes", tag="Sync")
_Money = Annotated[Decimal, Field(gt=0, max_digits=20, decimal_places=6)]
_Stock = Annotated[int, Field(ge=0, le=10**12)]
_Id = Annotated[str, Field(min_length=1, max_length=200)]
_FIELDS = {name.value: name for name in EditField}
_ERRORS = (NotFound, WrongEdit, NotWritable, NothingToPush, ConnectionNotFound, ShardTypeForbidden)


class VariantValues(Wire):
    """Values of one variant, named by `sku` or `variantId`; `salePrice` null ends a sale."""

    variant_id: _Id | None = None
    sku: _Id | None = None
    location: Annotated[str, Field(max_length=200)] = ""
    price: _Money | None = None
    sale_price: _Money | None = None
    stock: _Stock | None = None
    #: What the caller saw before it decided on the stock: another value there now is a conflict.
    stock_based_on: _Stock | None = None


class PushValues(Wire):
    """What is wanted. Values of variants at the top are for listings with a single variant."""

    title: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    description: Annotated[str, Field(min_length=1, max_length=200_000)] | None = None
    published: bool | None = None
    price: _Money | None = None
    sale_price: _Money | None = None
    stock: _Stock | None = None
    stock_based_on: _Stock | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    variants: Annotated[list[VariantValues], Field(max_length=1_000, default_factory=list)]


class PushProduct(PushValues):
    """What is wanted of a product's listings; of those named in `listings`, or of all that can be written."""

    listings: Annotated[list[_Id], Field(min_length=1, max_length=100)] | None = None


class BulkItem(Wire):
    """One field of one listing; `variant` is an external id, `basedOn` what the caller saw there."""

    listing_id: _Id
    field: EditField
    value: Decimal | bool | str | None
    variant: Annotated[str, Field(max_length=200)] = ""
    location: Annotated[str, Field(max_length=200)] = ""
    based_on: Decimal | bool | str | None = None


class PushMany(Wire):
    """Fields of many listings in one push."""

    items: Annotated[list[BulkItem], Field(min_length=1, max_length=1_000)]


class PushCounts(Answer, frozen=True, kw_only=True):
    """How many items stand how."""

    waiting: int
    done: int
    agreed: int
    refused: int
    yielded: int
    superseded: int
    cancelled: int


class PushOut(Answer, frozen=True, kw_only=True):
    """A push; finished once no item waits."""

    id: str
    origin: str
    requested_by: str
    items: int
    counts: PushCounts
    created_at: datetime
    finished_at: datetime | None


class PushList(Answer, frozen=True, kw_only=True):
    """A page of pushes."""

    items: list[PushOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class PushItemOut(Answer, frozen=True, kw_only=True):
    """One item; `standing` is how a waiting one stands just now, `code` and `reason` what held it up or ended it."""

    number: int
    connection_id: str
    listing_id: str
    variant: str
    field: str
    location: str
    value: str | int | bool | None
    state: str
    standing: str | None
    due_at: datetime | None
    code: str | None
    reason: str | None
    finished_at: datetime | None


class PushItemList(Answer, frozen=True, kw_only=True):
    """A page of a push's items, in their order."""

    items: list[PushItemOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


@products.post(
    "/{id}/push",
    permission=PUSH,
    limit="other",
    response_model=PushOut,
    summary="Write a product's values at its marketplaces",
    status=202,
    errors=_ERRORS,
)
async def push_product(scope: ScopeDep, id: str, body: PushProduct) -> Response:  # noqa: A002 - the path's own word
    """Noted before it is sent; a newer wish for the same field takes the place of an older one."""
    push_id = await choosing.push_product(scope, id, _given(body, body.listings))
    return accepted(_out(await reading.push(scope, push_id)))


@listings.post(
    "/{id}/push",
    permission=PUSH,
    limit="other",
    response_model=PushOut,
    summary="Write a listing's values at its marketplace",
    status=202,
    errors=_ERRORS,
)
async def push_listing(scope: ScopeDep, id: str, body: PushValues) -> Response:  # noqa: A002 - the path's own word
    """The same for one listing."""
    push_id = await choosing.push_listing(scope, id, _given(body, None))
    return accepted(_out(await reading.push(scope, push_id)))


@routes.post(
    "", permission=PUSH, limit="other", response_model=PushOut, summary="Write many values", status=202, errors=_ERRORS
)
async def push_many(scope: ScopeDep, body: PushMany) -> Response:
    """Up to 1,000 fields of any listings; each item ends in its own way."""
    push_id = await wanting.want(scope, [_item(one) for one in body.items])
    return accepted(_out(await reading.push(scope, push_id)))


@routes.get("", permission=READ, limit="other", response_model=PushList, summary="Pushes, newest first")
async def list_pushes(scope: ScopeDep, paging: PageDep) -> Response:
    """With how many of their items stand how."""
    page = await reading.pushes(scope, paging.ask)
    return paging.listing("items", Page([_out(one) for one in page.items], page.next_after, None, page.has_more))


@routes.get("/{id}", permission=READ, limit="other", response_model=PushOut, summary="One push", errors=(PushNotFound,))
async def get_push(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's own word
    """The push and its counts."""
    return document(_out(await reading.push(scope, id)))


@routes.get(
    "/{id}/items",
    permission=READ,
    limit="other",
    response_model=PushItemList,
    summary="The items of a push",
    errors=(PushNotFound,),
)
async def list_items(
    scope: ScopeDep,
    paging: PageDep,
    id: str,  # noqa: A002 - the path's own word
    state: Annotated[ItemState | None, Query()] = None,
) -> Response:
    """In their order, with what became of each."""
    page = await reading.items(scope, id, state, paging.ask)
    return paging.listing("items", Page([_item_out(row) for row in page.items], page.next_after, None, page.has_more))


@routes.post(
    "/{id}/cancel",
    permission=PUSH,
    limit="other",
    response_model=PushOut,
    summary="Take back what has not been sent",
    status=202,
    errors=(PushNotFound,),
)
async def cancel_push(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's own word
    """What was sent, or may have been, goes on to its end."""
    return accepted(_out(await reading.cancel(scope, id)))


@routes.post(
    "/{id}/retry",
    permission=PUSH,
    limit="other",
    response_model=PushOut,
    summary="Try what was refused once more",
    status=202,
    errors=(PushNotFound, NothingToPush),
)
async def retry_push(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's own word
    """One new push of the refused items alone; those that cannot be wanted any more are refused there at once."""
    return accepted(_out(await reading.push(scope, await retrying.retry(scope, id))))


def _given(body: PushValues, listing_ids: list[str] | None) -> Given:
    values, based_on = _values(body)
    variants = []
    for one in body.variants:
        if one.variant_id is None and one.sku is None:
            raise WrongEdit.field("variants", "Each variant is named by `sku` or by `variantId`.")
        of_variant, seen = _values(one)
        variants.append(OfVariant(one.variant_id, one.sku, one.location, of_variant, seen))
    return Given(values, variants, based_on, body.currency or "", listing_ids)


def _values(body: Wire) -> tuple[Mapping[EditField, object], Mapping[EditField, object]]:
    """What was given, by field: a null that was sent is a value only for a sale price."""
    sent = body.model_dump(exclude_unset=True, by_alias=True)
    given = {_FIELDS[name]: value for name, value in sent.items() if name in _FIELDS}
    values = {name: value for name, value in given.items() if value is not None or name is EditField.SALE_PRICE}
    seen = sent.get("stockBasedOn")
    return values, {} if seen is None else {EditField.STOCK: seen}


def _item(one: BulkItem) -> Want:
    based_on = (_typed(one.field, one.based_on),) if "based_on" in one.model_fields_set else None
    return Want(one.listing_id, one.field, _typed(one.field, one.value), one.variant, one.location, based_on)


def _typed(field: EditField, value: Decimal | bool | str | None) -> object:
    """Numbers arrive as decimals; stock is a whole one."""
    if field is EditField.STOCK and isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value


def _out(push: Push) -> PushOut:
    counts = PushCounts(**{state.value: push.counts.get(state, 0) for state in ItemState})
    return PushOut(**push.row, counts=counts)


def _item_out(row: Row) -> PushItemOut:
    return PushItemOut(**{**row, "value": shown(read(EditField(row["field"]), row["value"]))})
