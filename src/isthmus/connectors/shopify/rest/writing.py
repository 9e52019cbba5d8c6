"""Writing products of Shopify by REST: one variant's prices, one item's stock or one product's texts a call (6.5).

REST compares nothing before it writes: what stock is based on is compared with what lies there a moment before.
"""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from isthmus.client import CallerMistake, Missing
from isthmus.client.errors import PlatformError
from isthmus.connect import batching, judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Session
from isthmus.connect.writing import Edit, EditField, Outcome, Result
from isthmus.connectors.shopify import wanting, ways
from isthmus.connectors.shopify.rest import pulling

_NAMES = {EditField.TITLE: "title", EditField.DESCRIPTION: "body_html", EditField.PUBLISHED: "status"}


class _Sold(msgspec.Struct):
    inventory_item_id: Loose = None
    inventory_management: Loose = None


class _SoldReply(msgspec.Struct):
    variant: _Sold


class _Level(msgspec.Struct):
    location_id: Loose = None
    available: Loose = None


_SOLD = reading.decoder(_SoldReply)
_LEVEL = reading.decoder(_Level)


def batches(edits: Sequence[Edit]) -> list[list[Edit]]:
    """What one call carries: the prices of a variant, its stock at one place, the texts of a product (pure)."""
    return batching.parted(edits, wanting.call, wanting.row, lambda _: 1)


async def write(session: Session, root: str, batch: Sequence[Edit]) -> list[Outcome]:
    """Send one batch; texts that are refused together are to be sent one by one. Raises client errors."""
    kind = wanting.call(batch[0])[0]
    if kind == "stock":
        return [await _stock(session, root, batch[0])]
    return await (_prices if kind == "prices" else _texts)(session, root, batch)


async def _prices(session: Session, root: str, batch: Sequence[Edit]) -> list[Outcome]:
    wanted = wanting.price(batch)
    if wanted is None:
        return [wanting.senseless(edit) for edit in batch]
    name = wanting.row(batch[0])[0]
    body = {"id": batching.number(name), **wanted.named("price", "compare_at_price")}
    return await _put(session, f"{root}/variants/{quote(name, safe='')}.json", {"variant": body}, batch)


async def _texts(session: Session, root: str, batch: Sequence[Edit]) -> list[Outcome]:
    name = batch[0].listing.external_id
    body = {"id": batching.number(name), **{_NAMES[one.field]: _text(session, one) for one in batch}}
    return await _put(session, f"{root}/products/{quote(name, safe='')}.json", {"product": body}, batch)


def _text(session: Session, edit: Edit) -> object:
    if edit.field is EditField.PUBLISHED:
        return "active" if edit.value else ways.hidden_as(session.account)
    return edit.value


async def _put(session: Session, path: str, body: object, batch: Sequence[Edit]) -> list[Outcome]:
    """A call that the shop takes whole or not at all; which of several texts it refused, it says in words alone."""
    try:
        await session.client.put(path, body, idempotent=False)
    except (CallerMistake, Missing) as error:
        if len({edit.field for edit in batch} - wanting.PRICES) > 1:
            raise
        return batching.refused(batch, error, frozenset())
    return [Outcome(edit.key) for edit in batch]


async def _stock(session: Session, root: str, edit: Edit) -> Outcome:
    try:
        item, place = await _placed(session, root, edit)
    except batching.Unwritable as error:
        return Outcome(edit.key, Result.REFUSED, error.code, error.reason)
    if place.available == edit.value:
        return Outcome(edit.key)
    if edit.based_on is not None and place.available != edit.based_on:
        text = f"There are {place.available} now."
        return Outcome(edit.key, Result.STALE, "changed_meanwhile", text)
    body = {"inventory_item_id": item, "location_id": place.location_id, "available": edit.value}
    try:
        await session.client.post(f"{root}/inventory_levels/set.json", body, idempotent=False)
    except PlatformError as error:
        return batching.refused([edit], error, frozenset())[0]
    return Outcome(edit.key)


async def _placed(session: Session, root: str, edit: Edit) -> tuple[Loose, _Level]:
    """The item whose stock a variant is, and the place that is meant. Raises Unwritable and client errors."""
    name = wanting.row(edit)[0]
    try:
        answer = await session.client.get(f"{root}/variants/{quote(name, safe='')}.json")
    except Missing:
        raise batching.Unwritable("not_found", "The shop has no such variant.") from None
    sold = judging.decoded(answer, _SOLD).variant
    if reading.absent(sold.inventory_management):
        raise batching.Unwritable("not_tracked", "The shop does not count the stock of this variant.")
    rows = await pulling.stock(session, root, [str(sold.inventory_item_id)])
    places = [reading.lenient(row, _LEVEL) for _, row in rows]
    meant = [one for one in places if not edit.location or str(one.location_id) == edit.location]
    if len(meant) != 1:
        raise batching.Unwritable("location_unclear", wanting.UNCLEAR if not edit.location else wanting.NOWHERE)
    return sold.inventory_item_id, meant[0]
