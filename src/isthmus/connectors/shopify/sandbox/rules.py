"""Shopify's error body, its times and its pages (reference 6.3, 6.4)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from isthmus.sandbox import Call, Refusal, Reply, Shop, json_reply

T = TypeVar("T")

#: The zone of the shop, in which REST shows times.
_SHOP = timezone(timedelta(hours=7))
_DEFAULT_PAGE = 50
_LARGEST_PAGE = 250
#: With a place in the list, nothing else may be sent.
_BESIDE_PLACE = frozenset({"page_info", "limit", "fields"})


class Place(msgspec.Struct):
    """What `page_info` stands for: the last id that was shown, and the filters of the first page."""

    last: int
    filters: dict[str, str]
    issued: int


def error(status: int, errors: object, headers: Mapping[str, str] | None = None) -> Reply:
    """The error body of every call."""
    return json_reply({"errors": errors}, status, headers)


def refuse(status: int, rule: str, errors: object) -> Refusal:
    """A refusal in that body."""
    return Refusal(error(status, errors), rule)


def local(unix: int) -> str:
    """A time as REST shows it: ISO 8601 with the shop's offset."""
    return datetime.fromtimestamp(unix, UTC).astimezone(_SHOP).isoformat()


def moment(filters: Mapping[str, str], name: str) -> int | None:
    """The instant of a filter; without an offset it is the shop's time."""
    text = filters.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return int((found if found.tzinfo else found.replace(tzinfo=_SHOP)).timestamp())
    except (ValueError, OverflowError) as bad:
        raise refuse(400, "time", {name: "must be a valid date"}) from bad


def whole(name: str, text: str | None, default: int) -> int:
    """A parameter that is a number."""
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise refuse(400, name, {name: "must be a number"})
    return int(text)


def place(shop: Shop, call: Call) -> Place:
    """Where the asked page begins, and the filters it goes by. A place is known for ten minutes."""
    given = dict(call.query)
    text = given.get("page_info")
    if text is None:
        return Place(whole("since_id", given.pop("since_id", None), 0), given, shop.clock.unix())
    if not given.keys() <= _BESIDE_PLACE:
        raise refuse(400, "page_info", {"page_info": "no other filters may be sent beside it"})
    try:
        found = msgspec.json.decode(urlsafe_b64decode(text.encode()), type=Place)
    except (ValueError, msgspec.DecodeError) as bad:
        raise refuse(400, "page_info", {"page_info": "Invalid value."}) from bad
    if shop.clock.unix() - found.issued > 600:
        raise refuse(400, "page_info", {"page_info": "Invalid value."})
    return found


def paged(
    shop: Shop, call: Call, at: Place, rows: Sequence[T], key: Callable[[T], int]
) -> tuple[list[T], dict[str, str]]:
    """One page of rows that lie behind a place, in the order of their ids, and the header that leads on."""
    limit = whole("limit", call.one("limit"), _DEFAULT_PAGE)
    if not 1 <= limit <= _LARGEST_PAGE:
        raise refuse(400, "limit", {"limit": f"must be between 1 and {_LARGEST_PAGE}"})
    behind = sorted((row for row in rows if key(row) > at.last), key=key)
    shown = behind[:limit]
    call.record.page, call.record.rows = str(at.last), len(shown)
    headers: dict[str, str] = {}
    if len(behind) > limit:
        filters = {name: value for name, value in at.filters.items() if name not in _BESIDE_PLACE}
        ahead = Place(key(shown[-1]), filters, shop.clock.unix())
        info = urlsafe_b64encode(msgspec.json.encode(ahead)).decode()
        query = urlencode({"limit": limit, "page_info": info})
        headers["link"] = f'<{shop.base_url}{call.path}?{query}>; rel="next"'
    return (shown[-1:] + shown[:-1] if call.reordered else shown), headers
