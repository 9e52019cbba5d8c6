"""Reads orders: heads by windows of their last change, then the units of fifty at a time (marketplaces.md 3.6, 9.5)."""

from collections.abc import Sequence

import msgspec

from isthmus.client import Missing
from isthmus.connect import judging, reading, walk
from isthmus.connect.reading import Loose
from isthmus.connect.spi import RawRecord, RecordPage, Session, Window

#: No window counts so many orders that the offset gets near 5,000, where the platform refuses it.
_RULES = walk.Rules(page=100, most=1_000)
_UNITS = 50


class _Head(msgspec.Struct):
    order_id: Loose = None


class _Data(msgspec.Struct):
    count_total: Loose = msgspec.field(default=None, name="countTotal")
    orders: list[msgspec.Raw] | None = None


class _Page(msgspec.Struct):
    data: _Data


class _Units(msgspec.Struct):
    order_id: Loose = None
    order_items: msgspec.Raw = msgspec.Raw(b"[]")


class _UnitsReply(msgspec.Struct):
    data: list[_Units]


class _OneReply(msgspec.Struct):
    data: msgspec.Raw


_PAGE = reading.decoder(_Page)
_HEAD = reading.decoder(_Head)
_UNITS_REPLY = reading.decoder(_UnitsReply)
_ONE = reading.decoder(_OneReply)


async def pull(session: Session, root: str, window: Window, cursor: str | None) -> RecordPage:
    """One page of orders changed in the window, oldest change first."""
    at = walk.begin(window, cursor, _RULES)
    while True:
        data = (await _page(session, root, at)).data
        heads = data.orders or []
        keys = reading.keys(heads, _HEAD, lambda head: head.order_id)
        total = judging.count(data.count_total)
        last = not heads or at.offset + _RULES.page >= total
        step = walk.after(at, _RULES, keys, total=total, last=last)
        if step.keep or step.walk is None:
            records = await _whole(session, root, keys, heads)
            return RecordPage(records, step.cursor, at.total if at.total is not None else total)
        at = step.walk


async def _page(session: Session, root: str, at: walk.Walk) -> _Page:
    # An after-date is required, and whether it takes the moment itself is not documented: a second more is safe.
    query: dict[str, str | int] = {
        "update_after": _iso(at.start - 1),
        "update_before": _iso(at.stop + 1),
        "sort_by": "updated_at",
        "sort_direction": "ASC",
        "limit": _RULES.page,
        "offset": at.offset,
    }
    return judging.decoded(await session.client.get(f"{root}/orders/get", query=query), _PAGE)


def _iso(moment: int) -> str:
    return reading.in_zone(moment, reading.zone(0)).isoformat()


async def _whole(session: Session, root: str, keys: Sequence[str], heads: Sequence[msgspec.Raw]) -> list[RawRecord]:
    """Each head with its units, put together; the platform's bytes stay as they are."""
    known = [key for key in keys if key]
    units: dict[str, bytes] = {}
    for start in range(0, len(known), _UNITS):
        units |= await _units(session, root, known[start : start + _UNITS])
    return [RawRecord(key, _joined(head, units.get(key))) for key, head in zip(keys, heads, strict=True)]


async def _units(session: Session, root: str, ids: Sequence[str]) -> dict[str, bytes]:
    query = {"order_ids": f"[{','.join(ids)}]"}
    try:
        answer = await session.client.get(f"{root}/orders/items/get", query=query)
    except Missing:
        return {}
    found = judging.decoded(answer, _UNITS_REPLY).data
    return {str(one.order_id): bytes(one.order_items) for one in found}


def _joined(head: msgspec.Raw, units: bytes | None) -> bytes:
    return b"".join((b'{"order":', bytes(head), b',"items":', units or b"null", b"}"))


async def fetch(session: Session, root: str, order_id: str) -> RawRecord | None:
    """One order by its id, with its units."""
    try:
        answer = await session.client.get(f"{root}/order/get", query={"order_id": order_id})
    except Missing:
        return None
    head = judging.decoded(answer, _ONE).data
    return (await _whole(session, root, [order_id], [head]))[0]
