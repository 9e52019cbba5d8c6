"""Strict readers for records from outside: what cannot be read ends as Unmappable with a sentence for the merchant.

They promise what security.md PA-03 to PA-05 asks: no NUL or lone surrogate gets through, numbers are exact and
bounded, times are aware, UTC and between 1970 and 2100, ids are texts. `what` is the field's name in plain words.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

import msgspec

from isthmus.connect.shapes import Address
from isthmus.connect.spi import Unmappable
from isthmus.kit import money, text

T = TypeVar("T")

#: A field that platforms send as number, text, boolean or null at will; only the readers below look inside.
Loose: TypeAlias = Any

_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE = re.compile(rb"(\\\\)|(" + _PAIR.pattern + rb")|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})")
_LATEST = 4_102_444_800
_LARGE = 10**12
_ONE = Decimal(1)
_ID_LENGTH = 128


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """A decoder that keeps fractions exact: make one per type, at import."""
    return msgspec.json.Decoder(kind, float_hook=Decimal)


def record(payload: bytes, of: msgspec.json.Decoder[T]) -> T:
    """One record's bytes as a typed struct. Raises Unmappable; the message of msgspec names places, never values."""
    try:
        return lenient(payload, of)
    except msgspec.ValidationError as error:
        raise Unmappable(f"The record does not have the expected form: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unmappable("The record is not valid JSON.") from None
    except RecursionError:
        raise Unmappable("The record is nested too deeply.") from None


def lenient(content: bytes, of: msgspec.json.Decoder[T]) -> T:
    """Decode; lone surrogates and bytes that are not UTF-8 become U+FFFD, so that one bad text does not cost a page.

    Raises what msgspec raises when the content is no JSON of this type.
    """
    try:
        return of.decode(content)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return of.decode(_mended(content))


def _mended(content: bytes) -> bytes:
    whole = content.decode("utf-8", "replace").encode()
    return _SURROGATE.sub(lambda found: found[1] or found[2] or b"\\ufffd", whole)


def keys(raws: Iterable[msgspec.Raw], of: msgspec.json.Decoder[T], name: Callable[[T], Loose]) -> list[str]:
    """The ids of a page's records; an empty text where one cannot be read, which costs that record alone."""
    return [_key(raw, of, name) for raw in raws]


def _key(raw: msgspec.Raw, of: msgspec.json.Decoder[T], name: Callable[[T], Loose]) -> str:
    try:
        return ident(name(of.decode(raw)), "id")
    except (Unmappable, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def ident(value: Loose, what: str) -> str:
    """An id as text, whatever the platform sends it as (marketplaces.md 0, rule 1). Raises Unmappable."""
    found = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(found, str) or not found or len(found) > _ID_LENGTH or not found.isprintable():
        raise Unmappable(f"The {what} is missing or not an id.")
    return found


def optional_ident(value: Loose, what: str) -> str | None:
    """As `ident`; None for null and for an empty text."""
    return None if absent(value) else ident(value, what)


def absent(value: Loose) -> bool:
    """Null or an empty text, which platforms use alike."""
    return value is None or (isinstance(value, str) and not value)


def decimal(value: Loose, what: str) -> Decimal:
    """An exact number that is not negative, without needless zeros: 5 and 5.0 are one price. Raises Unmappable."""
    if type(value) is int and 0 <= value < _LARGE:
        return Decimal(value)  # the usual case, at a tenth of the cost
    try:
        number = money.decimal(value)
    except ValueError as error:
        raise Unmappable(f"The {what} cannot be read: {error}.") from None
    if number < 0:
        raise Unmappable(f"The {what} is negative.")
    whole = number.to_integral_value()
    return whole.quantize(_ONE) if whole == number else number.normalize()


def optional_decimal(value: Loose, what: str) -> Decimal | None:
    """As `decimal`; None for null and for an empty text."""
    return None if absent(value) else decimal(value, what)


def currency(value: Loose) -> str:
    """An ISO 4217 code. Raises Unmappable."""
    try:
        return money.currency(value)
    except ValueError as error:
        raise Unmappable(f"The currency cannot be read: {error}.") from None


def quantity(value: Loose, what: str) -> int:
    """A whole number within 10**12; negative stock occurs and is kept. Raises Unmappable."""
    if type(value) is int and -_LARGE < value < _LARGE:
        return value
    try:
        return money.quantity(value)
    except ValueError as error:
        raise Unmappable(f"The {what} cannot be read: {error}.") from None


def optional_quantity(value: Loose, what: str) -> int | None:
    """As `quantity`; None for null and for an empty text."""
    return None if absent(value) else quantity(value, what)


def seconds(value: Loose, what: str) -> datetime | None:
    """A time in seconds since 1970, number or text; None for null, an empty text and 0. Raises Unmappable."""
    return _instant(value, what, 1)


def milliseconds(value: Loose, what: str) -> datetime | None:
    """A time in milliseconds since 1970, number or text; None for null, an empty text and 0. Raises Unmappable."""
    return _instant(value, what, 1000)


def _instant(value: Loose, what: str, unit: int) -> datetime | None:
    if absent(value):
        return None
    number = decimal(value, what) / unit
    if not number:
        return None
    if number > _LATEST:
        raise Unmappable(f"The {what} is outside the years 1970 to 2100.")
    return datetime.fromtimestamp(int(number), UTC)


def local(value: Loose, what: str, zone: timezone) -> datetime | None:
    """A time as `YYYY-MM-DD HH:mm[:ss]` in the platform's own zone; None for null and zero dates. Raises Unmappable."""
    if absent(value) or (isinstance(value, str) and value.startswith("0000")):
        return None
    try:
        moment = datetime.fromisoformat(value)
        aware = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise Unmappable(f"The {what} is not a time.") from None
    if not 1970 <= aware.year < 2100:
        raise Unmappable(f"The {what} is outside the years 1970 to 2100.")
    return aware


def zone(hours: int) -> timezone:
    """The fixed offset of a country without daylight saving."""
    return timezone(timedelta(hours=hours))


def line(value: Loose) -> str:
    """A text fit for one line: normalised and trimmed; empty for anything that is no text."""
    return text.shown(value).strip() if isinstance(value, str) else ""


def required_line(value: Loose, what: str) -> str:
    """As `line`. Raises Unmappable where nothing is left."""
    found = line(value)
    if not found:
        raise Unmappable(f"The {what} is missing.")
    return found


def optional_line(value: Loose) -> str | None:
    """As `line`; None where nothing is left."""
    return line(value) or None


def markup(value: Loose) -> str:
    """Some HTML or long text, storable as it is; empty for anything that is no text."""
    return text.storable(value) if isinstance(value, str) else ""


def optional_signed(value: Loose, what: str) -> Decimal | None:
    """As `optional_decimal`, for amounts that may be below zero, such as a seller's income after fees."""
    negative = isinstance(value, str | int | Decimal) and str(value).startswith("-")
    if not negative:
        return optional_decimal(value, what)
    found = decimal(str(value)[1:], what)
    return -found


def in_zone(moment: int, zone: timezone) -> datetime:
    """Seconds since 1970 as a time of a zone."""
    return datetime.fromtimestamp(moment, UTC).astimezone(zone)


def masked(*texts: str | None) -> bool:
    """Whether a platform shows stars in one of these texts instead of letters."""
    return any("*" in one for one in texts if one)


def address(codes: Mapping[str, str] | None = None, **parts: Loose) -> Address | None:
    """An address of parts that are texts or nothing, under the names of `Address`; None where all are empty."""
    texts = {name: optional_line(value) for name, value in parts.items()}
    given = {name: code for name, code in (codes or {}).items() if code}
    if not any(texts.values()):
        return None
    return msgspec.convert({**texts, "codes": given, "is_masked": masked(*texts.values())}, Address)


def truth(value: Loose) -> bool:
    """A boolean that may come as 0, 1, "true", "false" or null."""
    return value.strip().lower() in {"true", "1", "yes"} if isinstance(value, str) else bool(value)
