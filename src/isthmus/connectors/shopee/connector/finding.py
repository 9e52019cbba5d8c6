"""Searches items by name: their ids, then what they are called (marketplaces.md 2.5)."""

from collections.abc import Sequence

import msgspec

from isthmus.connect import judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import FoundRecord, SearchFor, Session
from isthmus.connectors.shopee.connector import items

_PRODUCTS = "products"


class _Found(msgspec.Struct):
    item_id_list: list[Loose] | None = None


class _FoundReply(msgspec.Struct):
    response: _Found


class _Item(msgspec.Struct):
    item_name: Loose = None
    update_time: Loose = None


_FOUND = reading.decoder(_FoundReply)
_ITEM = reading.decoder(_Item)


async def search(session: Session, wanted: SearchFor) -> Sequence[FoundRecord]:
    """Items whose names hold the query, in the platform's order; two calls. Raises client errors."""
    if wanted.entities and _PRODUCTS not in wanted.entities:
        return ()
    query: dict[str, str | int] = {"item_name": wanted.query, "page_size": min(wanted.limit, items.DETAILS)}
    answer = await session.client.get(f"{session.app_hosts['api']}{items.API}/product/search_item", query=query)
    found = judging.decoded(answer, _FOUND).response.item_id_list or []
    ids = [reading.ident(one, "item_id") for one in found if not reading.absent(one)]
    details = await items.details(session, ids) if ids else {}
    records = (_record(one, details.get(one)) for one in ids)
    return [one for one in records if one is not None and _within(one, wanted)]


def _record(item_id: str, raw: msgspec.Raw | None) -> FoundRecord | None:
    if raw is None:
        return None
    item = _ITEM.decode(raw)
    changed = reading.seconds(item.update_time, "update_time")
    return FoundRecord(_PRODUCTS, item_id, reading.line(item.item_name), updated_at=changed)


def _within(record: FoundRecord, wanted: SearchFor) -> bool:
    at = record.updated_at
    if at is None:
        return True
    return (wanted.since is None or at >= wanted.since) and (wanted.until is None or at < wanted.until)
