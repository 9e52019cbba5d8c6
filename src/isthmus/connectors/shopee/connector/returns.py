"""Reads what buyers want taken back: a list of its own, put beside the orders it is about (marketplaces.md 2.6).

The list goes by time and names no order to look for: it is asked for from the first of some orders that were sent until
some weeks after the last one, and at the end of a pull for what changed in its window.
"""

from collections.abc import Mapping, Sequence

import msgspec

from isthmus.client import Missing, Refused
from isthmus.connect import judging, reading
from isthmus.connect.reading import Loose
from isthmus.connect.spi import Session
from isthmus.connectors.shopee.connector.items import API

PAGE = 100
#: No limit is published; the one of the list of orders, less a day, is taken here too.
LONGEST = 14 * 86_400
#: Seconds by which the platform's clock may be ahead of what we take it for.
_AHEAD = 60
#: Seconds after an order within which its returns are looked for; no end is published.
_LATEST = 45 * 86_400
#: States of orders that were not sent yet: nothing can come back of them.
_BEFORE = frozenset({"UNPAID", "PENDING", "INVOICE_PENDING", "READY_TO_SHIP", "PROCESSED", "RETRY_SHIP"})


class _Head(msgspec.Struct):
    order_status: Loose = None
    create_time: Loose = None
    update_time: Loose = None


class _Named(msgspec.Struct):
    order_sn: Loose = None


class _List(msgspec.Struct):
    returns: list[msgspec.Raw] | None = msgspec.field(default=None, name="return")
    more: Loose = None


class _ListReply(msgspec.Struct):
    response: _List


_HEAD = reading.decoder(_Head)
_NAMED = reading.decoder(_Named)
_LIST = reading.decoder(_ListReply)


async def page(session: Session, times: Mapping[str, int], number: int) -> tuple[list[tuple[str, bytes]], bool]:
    """One page of returns, each with its order's number, and whether there are more.

    An app that may not see them reads orders without. Raises client errors.
    """
    url = f"{session.app_hosts['api']}{API}/returns/get_return_list"
    try:
        answer = await session.client.get(url, query={"page_no": number, "page_size": PAGE, **times})
    except (Refused, Missing):
        return [], False
    found = judging.decoded(answer, _LIST).response
    rows = found.returns or []
    keys = reading.keys(rows, _NAMED, lambda row: row.order_sn)
    return list(zip(keys, map(bytes, rows), strict=True)), reading.truth(found.more) and bool(rows)


async def of(session: Session, orders: Mapping[str, bytes]) -> dict[str, list[bytes]]:
    """The returns of these orders, by the order's number: always the same ones, whoever asks. Raises client errors."""
    begun = {number: at for number, raw in orders.items() if (at := _begun(raw)) is not None}
    found: dict[str, list[bytes]] = {}
    if not begun:
        return found
    now = int(session.clock.now().timestamp()) + _AHEAD
    start, end = min(begun.values()), min(now, max(begun.values()) + _LATEST)
    while start < end:
        stop = min(end, start + LONGEST)
        for number, row in await _all(session, {"create_time_from": start, "create_time_to": stop}):
            if number in begun and row not in found.setdefault(number, []):
                found[number].append(row)
        start = stop
    return found


async def _all(session: Session, times: Mapping[str, int]) -> Sequence[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    number, more = 1, True
    while more:
        rows, more = await page(session, times, number)
        found += rows
        number += 1
    return found


def _begun(raw: bytes) -> int | None:
    """Since when an order could have returns, in seconds; None for one that was not sent yet."""
    head = _read(raw)
    return head.create_time if head is not None and isinstance(head.create_time, int) and _was_sent(head) else None


def came(raw: bytes, start: int, stop: int) -> bool:
    """Whether an order changed in these seconds itself, and so came with its returns (pure)."""
    head = _read(raw)
    changed = head.update_time if head is not None and _was_sent(head) else None
    return isinstance(changed, int) and start <= changed <= stop


def _read(raw: bytes) -> _Head | None:
    try:
        return reading.lenient(raw, _HEAD)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _was_sent(head: _Head) -> bool:
    return head.order_status not in _BEFORE
