"""Writing products of Shopify by GraphQL mutations (marketplaces.md 6.5, 9.4).

Prices go per product, texts per product, stock for up to 250 items at once, each with what it was based on. A mutation
that complains wrote nothing of what it complains about; texts and stock wrote nothing at all then.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import msgspec

from isthmus.connect import batching, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Session
from isthmus.connect.writing import Edit, EditField, EditValue, Outcome, Result
from isthmus.connectors.shopify import graph, nodes, wanting, ways
from isthmus.connectors.shopify.graph import Complaint

_ROWS = 250
#: Complaints that are no refusal for good: another base, or the same request that is still being worked off.
_RESULTS = {"CHANGE_FROM_QUANTITY_STALE": Result.STALE, "IDEMPOTENCY_CONCURRENT_REQUEST": Result.LOCKED}

_SET_PRICES = """mutation Prices($product: ID!, $variants: [ProductVariantsBulkInput!]!) {
  productVariantsBulkUpdate(productId: $product, variants: $variants, allowPartialUpdates: true) {
    userErrors { field message code } } }"""
_SET_TEXTS = """mutation Texts($product: ProductUpdateInput!) {
  productUpdate(product: $product) { userErrors { field message } } }"""
_SET_STOCK = """mutation Stock($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { field message code } } }"""
_FIND_ITEMS = """query Items($ids: [ID!]!) { locations(first: 2) { nodes { id } }
  nodes(ids: $ids) { ... on ProductVariant { id inventoryItem { id tracked } } } }"""


class _Said(msgspec.Struct, rename="camel"):
    user_errors: list[Complaint] = []


class _Changes(msgspec.Struct, rename="camel"):
    product_variants_bulk_update: _Said | None = None
    product_update: _Said | None = None
    inventory_set_quantities: _Said | None = None

    def complaints(self) -> list[Complaint]:
        """What was said against the one change that was asked for."""
        said = self.product_variants_bulk_update or self.product_update or self.inventory_set_quantities
        return said.user_errors if said is not None else [Complaint(message="The platform did nothing.")]


class _Changed(msgspec.Struct):
    data: _Changes


class _Item(msgspec.Struct):
    id: Loose = None
    tracked: Loose = None


class _Sold(msgspec.Struct, rename="camel"):
    id: Loose = None
    inventory_item: _Item | None = None


class _Items(msgspec.Struct):
    sold: list[_Sold | None] = msgspec.field(default_factory=list, name="nodes")
    locations: nodes.Several[nodes.Named] | None = None


class _Found(msgspec.Struct):
    data: _Items


_CHANGED = reading.decoder(_Changed)
_FOUND = reading.decoder(_Found)


def batches(edits: Sequence[Edit]) -> list[list[Edit]]:
    """Prices and texts of one product each, stock of up to 250 items of any products (pure)."""
    return batching.parted(edits, wanting.call, wanting.row, lambda _: _ROWS)


async def write(session: Session, root: str, batch: Sequence[Edit]) -> list[Outcome]:
    """Send one batch. Raises client errors."""
    kind = wanting.call(batch[0])[0]
    if kind == "stock":
        return await _stock(session, root, batch)
    return await (_prices if kind == "prices" else _texts)(session, root, batch)


async def _prices(session: Session, root: str, batch: Sequence[Edit]) -> list[Outcome]:
    """Rows that the platform complains about are left out by it, the others take effect."""
    rows: dict[str, list[Edit]] = {}
    for edit in batch:
        rows.setdefault(wanting.row(edit)[0], []).append(edit)
    inputs = {name: wanted for name, edits in rows.items() if (wanted := wanting.price(edits)) is not None}
    sent = list(inputs)
    told = [wanting.senseless(edit) for name in rows if name not in inputs for edit in rows[name]]
    if not sent:
        return told
    variants = [
        {"id": graph.gid("ProductVariant", name), **one.named("price", "compareAtPrice")}
        for name, one in inputs.items()
    ]
    variables = {"product": graph.gid("Product", batch[0].listing.external_id), "variants": variants}
    complaints = (await graph.change(session, root, _SET_PRICES, variables, _CHANGED)).data.complaints()
    blamed = {one.place(): one for one in complaints}
    whole = blamed.get(None)
    for place, name in enumerate(sent):
        wrong = blamed.get(place, whole)
        told += [Outcome(edit.key) if wrong is None else wrong.refused(edit.key) for edit in rows[name]]
    return told


async def _texts(session: Session, root: str, batch: Sequence[Edit]) -> list[Outcome]:
    names = {EditField.TITLE: "title", EditField.DESCRIPTION: "descriptionHtml", EditField.PUBLISHED: "status"}

    async def send(edits: Sequence[Edit]) -> list[Complaint]:
        product = {names[one.field]: _text(session, one) for one in edits}
        variables = {"product": {"id": graph.gid("Product", batch[0].listing.external_id), **product}}
        return (await graph.change(session, root, _SET_TEXTS, variables, _CHANGED)).data.complaints()

    def blamed(edits: Sequence[Edit], complaint: Complaint) -> Edit | None:
        return next((one for one in edits if names[one.field] in (complaint.field or ())), None)

    return await _all_or_none(batch, send, blamed)


def _text(session: Session, edit: Edit) -> EditValue:
    """Unpublished is what the merchant chose: buyers see neither a draft nor what is archived."""
    if edit.field is EditField.PUBLISHED:
        return "ACTIVE" if edit.value else ways.hidden_as(session.account).upper()
    return edit.value


async def _all_or_none(
    batch: Sequence[Edit],
    send: Callable[[Sequence[Edit]], Awaitable[list[Complaint]]],
    blamed: Callable[[Sequence[Edit], Complaint], Edit | None],
) -> list[Outcome]:
    """Send what one mutation takes whole or not at all: what it complains about is left out, the rest is sent anew.

    A mutation that complained wrote nothing, so one at most takes effect.
    """
    told: list[Outcome] = []
    left = list(batch)
    while left:
        complaints = await send(left)
        if not complaints:
            return told + [Outcome(one.key) for one in left]
        wrong = {edit.key: one for one in complaints if (edit := blamed(left, one)) is not None}
        if not wrong:
            return told + [_refused(one.key, graph.first(complaints)) for one in left]
        told += [_refused(key, one) for key, one in wrong.items()]
        left = [one for one in left if one.key not in wrong]
    return told


def _refused(key: str, complaint: Complaint) -> Outcome:
    outcome = complaint.refused(key)
    return replace(outcome, result=_RESULTS.get(outcome.code, Result.REFUSED))


async def _stock(session: Session, root: str, batch: Sequence[Edit]) -> list[Outcome]:
    items, only = await _items(session, root, sorted({wanting.row(edit)[0] for edit in batch}))
    places = {edit.key: _placed(edit, items.get(wanting.row(edit)[0]), only) for edit in batch}
    told = [one for one in places.values() if isinstance(one, Outcome)]
    rows = {key: row for key, row in places.items() if isinstance(row, dict)}

    async def send(edits: Sequence[Edit]) -> list[Complaint]:
        quantities = [rows[one.key] for one in edits]
        wanted = {"name": "available", "reason": "correction", "quantities": quantities}
        variables = {"input": wanted, "key": _key(edits)}
        return (await graph.change(session, root, _SET_STOCK, variables, _CHANGED)).data.complaints()

    def blamed(edits: Sequence[Edit], complaint: Complaint) -> Edit | None:
        place = complaint.place()
        return edits[place] if place is not None and place < len(edits) else None

    return told + await _all_or_none([one for one in batch if one.key in rows], send, blamed)


def _key(edits: Sequence[Edit]) -> str:
    """One key for one request: the same edits based on the same values give the same one, any others another.

    A key that comes again with other values is refused by the platform, and an edit may well come again on a new base.
    """
    parts = (f"{one.key}={one.value}<{one.based_on}@{one.location}" for one in edits)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:64]


def _placed(edit: Edit, item: _Item | None, only: str | None) -> dict[str, object] | Outcome:
    """The row of an edit; without a location the shop's only one is meant."""
    if item is None or not isinstance(item.id, str):
        return Outcome(edit.key, Result.REFUSED, "not_found", "The shop has no such variant.")
    if item.tracked is not True:
        return Outcome(edit.key, Result.REFUSED, "not_tracked", "The shop does not count the stock of this variant.")
    location = graph.gid("Location", edit.location) if edit.location else only
    if location is None:
        return Outcome(edit.key, Result.REFUSED, "location_unclear", wanting.UNCLEAR)
    base = edit.based_on
    return {
        "inventoryItemId": item.id,
        "locationId": location,
        "quantity": edit.value,
        "changeFromQuantity": base if isinstance(base, int) and not isinstance(base, bool) else None,
    }


async def _items(session: Session, root: str, variants: Sequence[str]) -> tuple[dict[str, _Item], str | None]:
    """The items whose stock the variants are, and the shop's location where it has only one: 500 points at most."""
    ids = [graph.gid("ProductVariant", one) for one in variants]
    data = (await graph.ask(session, root, _FIND_ITEMS, {"ids": ids}, _FOUND)).data
    found = {str(nodes.tail(one.id)): one.inventory_item for one in data.sold if one is not None and one.inventory_item}
    known = [one.id for one in data.locations.nodes if isinstance(one.id, str)] if data.locations is not None else []
    return found, known[0] if len(known) == 1 else None
