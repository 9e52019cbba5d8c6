"""Reads orders: numbers by windows of their last change, then details in fifties (marketplaces.md 2.6, 9.5).

The list counts nothing and its cursors end after a while, so a window is made small enough for one page: no row can
move between pages, and a place is two times. Only a second with more than a page of changes is paged by the platform's
own cursor.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

import msgspec

from isthmus.client import CallerMistake, Missing, PlatformError
from isthmus.connect import judging, reading
from isthmus.connect.faults import CursorUnreadable
from isthmus.connect.reading import Loose
from isthmus.connect.spi import RawRecord, RecordPage, Session, Window
from isthmus.connectors.shopee.connector import returns
from isthmus.connectors.shopee.connector.items import API, together

_PAGE = 100
_DETAILS = 50
#: The platform takes 15 days; a day less leaves room for both ends.
_LONGEST = 14 * 86_400
#: How far back a full read goes: the platform names no limit, and each fortnight costs a call.
_HISTORY = timedelta(days=366)
#: Quiet windows that are passed over within one page.
_QUIET = 10
#: Everything that is not sent unless it is asked for.
_FIELDS = (
    "buyer_user_id,buyer_username,estimated_shipping_fee,recipient_address,actual_shipping_fee,note,note_update_time,"
    "item_list,pay_time,split_up,buyer_cancel_reason,cancel_by,cancel_reason,actual_shipping_fee_confirmed,"
    "fulfillment_flag,pickup_done_time,package_list,shipping_carrier,payment_method,total_amount,invoice_data,"
    "order_chargeable_weight_gram,return_request_due_date,payment_info"
)


class _Place(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A window of whole seconds, both ends included, within a pull that ends at `end`; a cursor within it.

    With a `page` it is one of returns: what changed of them is looked at once all orders were.
    """

    start: int
    stop: int
    end: int
    cursor: str = ""
    page: int = 0


class _Row(msgspec.Struct):
    order_sn: Loose = None


class _List(msgspec.Struct):
    order_list: list[_Row] | None = None
    more: Loose = None
    next_cursor: Loose = None


class _ListReply(msgspec.Struct):
    response: _List


class _Package(msgspec.Struct):
    package_number: Loose = None


class _Parcels(msgspec.Struct):
    order_status: Loose = None
    package_list: list[_Package] | None = None


class _Number(msgspec.Struct):
    tracking_number: Loose = None


class _NumberReply(msgspec.Struct):
    response: _Number


class _Orders(msgspec.Struct):
    order_list: list[msgspec.Raw] | None = None


class _OrdersReply(msgspec.Struct):
    response: _Orders


#: The record of an order that is listed and not shown.
_HIDDEN = b'{"order_sn":null}'
_LIST = reading.decoder(_ListReply)
_ORDERS = reading.decoder(_OrdersReply)
_HEAD = reading.decoder(_Row)
_PARCELS = reading.decoder(_Parcels)
_NUMBER = reading.decoder(_NumberReply)
#: Orders whose parcels are on their way: only theirs are asked for, as each number costs a call.
_MOVING = frozenset({"PROCESSED", "RETRY_SHIP", "SHIPPED", "TO_CONFIRM_RECEIVE"})


async def pull(session: Session, window: Window, cursor: str | None) -> RecordPage:
    """One page of orders changed in the window, oldest change first, then of those whose returns changed.

    Raises ValueError for a foreign cursor.
    """
    at: _Place | None = _read(cursor) if cursor is not None else _begin(window)
    for _ in range(_QUIET):
        assert at is not None  # noqa: S101 - the loop ends with the last window
        if at.page:
            numbers, at = await _returned(session, at)
            found = await details(session, numbers)
            records = [one for one in found if one.payload != _HIDDEN and not _came(one, window)]
        else:
            page = await _fitting(session, at)
            # A full read has met every order with its returns: only news of returns bring orders of their own.
            at = _after(*page) or (None if window.since is None else _begin(window, page=1))
            numbers = [one for row in page[1].order_list or () if (one := reading.line(row.order_sn))]
            records = await details(session, numbers)
        if records or at is None:
            return RecordPage(records, _written(at))
    return RecordPage([], _written(at))


def _read(cursor: str) -> _Place:
    try:
        return msgspec.json.decode(cursor, type=_Place)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CursorUnreadable("the cursor does not belong to this connector") from error


def _begin(window: Window, *, page: int = 0) -> _Place:
    start = int((window.since or window.until - _HISTORY).timestamp())
    end = max(start + 1, int(window.until.timestamp()))
    return _Place(start, min(end, start + _LONGEST), end, page=page)


async def _returned(session: Session, at: _Place) -> tuple[list[str], _Place | None]:
    """The orders of one page of returns, and what follows it."""
    times = {"update_time_from": at.start, "update_time_to": at.stop}
    rows, more = await returns.page(session, times, at.page)
    numbers = list(dict.fromkeys(number for number, _ in rows if number))
    if more:
        return numbers, _Place(at.start, at.stop, at.end, page=at.page + 1)
    if at.stop >= at.end:
        return numbers, None
    return numbers, _Place(at.stop, min(at.end, at.stop + _LONGEST), at.end, page=1)


async def _fitting(session: Session, at: _Place) -> tuple[_Place, _List]:
    """The window and its page; a window with more than a page is halved until it fits, or is one second."""
    while True:
        page = await _listed(session, at)
        if not reading.truth(page.more) or at.cursor or at.stop - at.start <= 1:
            return at, page
        at = _Place(at.start, at.start + (at.stop - at.start) // 2, at.end)


async def _listed(session: Session, at: _Place) -> _List:
    query: dict[str, str | int | None] = {
        "time_range_field": "update_time",
        "time_from": at.start,
        "time_to": at.stop,
        "page_size": _PAGE,
        "cursor": at.cursor,
    }
    url = f"{session.app_hosts['api']}{API}/order/get_order_list"
    try:
        answer = await session.client.get(url, query=query)
    except PlatformError as failure:
        if not at.cursor or judging.last_part(failure.code or "") != "error_param":
            raise
        # A cursor that has ended: the same second from its beginning.
        answer = await session.client.get(url, query={**query, "cursor": ""})
    return judging.decoded(answer, _LIST).response


def _after(at: _Place, page: _List) -> _Place | None:
    following = reading.line(page.next_cursor)
    if reading.truth(page.more) and following and page.order_list:
        return _Place(at.start, at.stop, at.end, following)
    if at.stop >= at.end:
        return None
    width = at.stop - at.start
    wider = width * 2 if len(page.order_list or ()) * 2 <= _PAGE else width
    return _Place(at.stop, min(at.end, at.stop + max(1, min(wider, _LONGEST))), at.end)


def _written(at: _Place | None) -> str | None:
    return None if at is None else msgspec.json.encode(at).decode()


def _came(record: RawRecord, window: Window) -> bool:
    """Whether an order came already, because it changed in the window itself."""
    begin = _begin(window)
    return returns.came(record.payload, begin.start, begin.end)


async def details(session: Session, numbers: list[str]) -> list[RawRecord]:
    """These orders in full, in this order; one that the platform lists and does not show is a record without them."""
    batches = [numbers[start : start + _DETAILS] for start in range(0, len(numbers), _DETAILS)]
    found: dict[str, msgspec.Raw] = {}
    for batch in await together(partial(_details, session), batches):
        found |= batch
    whole = await _whole(session, found)
    return [RawRecord(one, whole.get(one, _HIDDEN)) for one in numbers]


async def _whole(session: Session, found: Mapping[str, msgspec.Raw]) -> dict[str, bytes]:
    """Orders with what other calls say of them in front: numbers of parcels, and returns."""
    tracked = await together(partial(_tracked, session), list(found.items()))
    back = await returns.of(session, {number: bytes(raw) for number, raw in found.items()})
    whole = dict(zip(found, tracked, strict=True))
    return {number: _with(raw, back.get(number, ())) for number, raw in whole.items()}


def _with(raw: bytes, rows: Sequence[bytes]) -> bytes:
    return b'{"returns":[' + b",".join(rows) + b"]," + raw[1:] if rows else raw


async def _tracked(session: Session, one: tuple[str, msgspec.Raw]) -> bytes:
    """The order with the numbers of its parcels in front; the platform's bytes stay as they are."""
    order_sn, raw = one[0], bytes(one[1])
    try:
        head = reading.lenient(raw, _PARCELS)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw
    if reading.line(head.order_status) not in _MOVING:
        return raw
    packages = [reading.line(row.package_number) for row in head.package_list or ()]
    told = {package: await _number(session, order_sn, package) for package in packages if package}
    numbers = {package: number for package, number in told.items() if number}
    if not numbers:
        return raw
    return b"".join((b'{"tracking_numbers":', msgspec.json.encode(numbers, order="deterministic"), b",", raw[1:]))


async def _number(session: Session, order_sn: str, package: str) -> str:
    """A parcel's number, empty while there is none (marketplaces.md 2.6)."""
    query = {"order_sn": order_sn, "package_number": package}
    try:
        answer = await session.client.get(f"{session.app_hosts['api']}{API}/logistics/get_tracking_number", query=query)
    except (CallerMistake, Missing):
        return ""
    return reading.line(judging.decoded(answer, _NUMBER).response.tracking_number)


async def _details(session: Session, numbers: list[str]) -> dict[str, msgspec.Raw]:
    query = {"order_sn_list": ",".join(numbers), "response_optional_fields": _FIELDS}
    try:
        answer = await session.client.get(f"{session.app_hosts['api']}{API}/order/get_order_detail", query=query)
    except Missing:
        return {}
    orders = judging.decoded(answer, _ORDERS).response.order_list or []
    return dict(zip(reading.keys(orders, _HEAD, lambda row: row.order_sn), orders, strict=True))


async def fetch(session: Session, number: str) -> RawRecord | None:
    """One order by its number."""
    found = await _details(session, [number])
    return RawRecord(number, (await _whole(session, found))[number]) if number in found else None
