"""WooCommerce's error body, its times and its pages (reference 7.2)."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

from isthmus.sandbox import Call, Refusal, Reply, json_reply

T = TypeVar("T")

#: The site's own zone; its `_gmt` twins are what clients should read.
_SITE = timezone(timedelta(hours=7))
_DEFAULT_PAGE = 10
_LARGEST_PAGE = 100


def error(status: int, code: str, message: str) -> Reply:
    """The error body of every call."""
    return json_reply({"code": code, "message": message, "data": {"status": status}}, status)


def refuse(status: int, code: str, message: str) -> Refusal:
    """A refusal in that body; the code names the rule."""
    return Refusal(error(status, code, message), code)


def gmt(unix: int) -> str:
    """A time as the `_gmt` fields show it: UTC, without a zone."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def site(unix: int) -> str:
    """The same moment by the site's own clock, without a zone."""
    return datetime.fromtimestamp(unix, UTC).astimezone(_SITE).strftime("%Y-%m-%dT%H:%M:%S")


def window(call: Call, kind: str = "modified") -> tuple[int | None, int | None]:
    """The closed window of whole seconds that `{kind}_after` and `{kind}_before` leave: both exclude their second."""
    low, high = _moment(call, f"{kind}_after"), _moment(call, f"{kind}_before")
    return None if low is None else low + 1, None if high is None else high - 1


def _moment(call: Call, name: str) -> int | None:
    text = call.one(name)
    if text is None:
        return None
    zone = UTC if call.one("dates_are_gmt") in {"true", "1"} else _SITE
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())
    except (ValueError, OverflowError) as bad:
        raise invalid(name) from bad


def invalid(name: str) -> Refusal:
    """A parameter that is not what it must be."""
    return refuse(400, "rest_invalid_param", f"Invalid parameter(s): {name}")


def whole(call: Call, name: str, default: int, most: int) -> int:
    """A parameter that is a number from 1 to `most`."""
    text = call.one(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise invalid(name)
    return int(text)


def paged(call: Call, rows: Sequence[T]) -> tuple[Sequence[T], Mapping[str, str]]:
    """The rows of the asked page, and the headers that count them."""
    page, size = whole(call, "page", 1, 999_999_999), whole(call, "per_page", _DEFAULT_PAGE, _LARGEST_PAGE)
    shown = rows[(page - 1) * size : page * size]
    call.record.page, call.record.rows = str(page), len(shown)
    return shown, {"x-wp-total": str(len(rows)), "x-wp-totalpages": str(math.ceil(len(rows) / size))}


def number(text: str) -> int | None:
    """An id of a path; None where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None
