"""Orders as they are stored, and the pure rules over them: checks, hashes, money that adds up, what is personal.

What names a person is taken out of an order before it is hashed and stored; it goes into a sealed text of its own.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

import msgspec

from isthmus.connect.keeping import Unstorable
from isthmus.connect.shapes import Address, Customer, Order, OrderLine, OrderStatus, ReturnStatus, Totals
from isthmus.kit import text
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission
from isthmus.kit.text import storable

READ = permission("orders:read", "Read orders, without personal data", SUPER_ADMIN, TENANT_ADMIN, USER)
PERSONAL = permission("orders:personal", "See names, addresses and notes of orders", TENANT_ADMIN)
REDACT = permission("customers:redact", "Erase a customer's personal data", TENANT_ADMIN)
_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Order)
#: NUL as JSON spells it, not preceded by an odd backslash; PostgreSQL stores no such text (security.md PA-03).
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_DIGEST_BYTES = 16
_ID_LENGTH = 200
_LINES = 5_000
_SHIPMENTS = 1_000
_QUANTITY = 10**9
_AMOUNT = Decimal(10) ** 20
_CURRENCY_LENGTH = 3
#: Fewer digits are no telephone number of one person; and how many a country's code has at most.
_LEAST_DIGITS, _COUNTRY_DIGITS = 8, 3
_ZERO = Decimal(0)
#: What platforms put in the place of letters that they do not show.
_MASK = "*"


class Personal(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of an order names or describes a person."""

    customer: Customer | None = None
    shipping_address: Address | None = None
    billing_address: Address | None = None
    buyer_note: str | None = None
    seller_note: str | None = None


_PERSONAL = msgspec.json.Decoder(Personal)
_CUSTOMER = msgspec.json.Decoder(Customer)


class OrderItem(msgspec.Struct, frozen=True, gc=False):
    """One order ready to be compared: checked, and parted into what is personal and what is not."""

    order: Order
    personal: Personal
    raw: bytes
    raw_hash: bytes
    body: bytes
    hash: bytes

    @property
    def external_id(self) -> str:
        """The order's id at its platform."""
        return self.order.external_id

    @property
    def whole(self) -> bool:
        """Orders come as a whole, with all their lines."""
        return True

    @property
    def changed_at(self) -> datetime | None:
        """When the platform last changed it."""
        return self.order.platform_updated_at


class Stored(msgspec.Struct, frozen=True, gc=False):
    """What the store knows of an order before a write."""

    id: str
    hash: bytes
    raw_hash: bytes
    status: str
    changed_at: datetime | None
    personal: bytes | None
    redacted_at: datetime | None


class KnownCustomer(msgspec.Struct, frozen=True, gc=False):
    """What the store knows of a customer before a write."""

    id: str
    personal: bytes | None


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders a caller wants; None means any. `number` is the order's own or the platform's."""

    connection_id: str | None = None
    provider: str | None = None
    status: str | None = None
    payment_status: str | None = None
    sku: str | None = None
    number: str | None = None
    placed_from: datetime | None = None
    placed_to: datetime | None = None
    updated_since: datetime | None = None
    customer_id: str | None = None
    off: bool | None = None


def item(order: Order, raw: bytes, raw_hash: bytes) -> OrderItem:
    """Check, part, encode and hash an order. Raises Unstorable."""
    check(order)
    personal = Personal(
        order.customer, order.shipping_address, order.billing_address, order.buyer_note, order.seller_note
    )
    public = msgspec.structs.replace(
        order, customer=None, shipping_address=None, billing_address=None, buyer_note=None, seller_note=None
    )
    body = _encoded(public)
    return OrderItem(public, personal, raw, raw_hash, body, blake2b(body, digest_size=_DIGEST_BYTES).digest())


def _encoded(order: Order) -> bytes:
    try:
        body = _ENCODER.encode(order)
    except UnicodeEncodeError:
        raise Unstorable("a text holds half of a UTF-16 surrogate pair") from None
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise Unstorable("the order has no JSON form") from None
    if b"\\u0000" in body and _NUL.search(body):
        raise Unstorable("a text holds the character U+0000")
    return body


def decode(body: bytes) -> Order:
    """The order of a stored body. Raises Unstorable when the bytes are not one."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Unstorable("the order does not have the canonical shape") from None


def check(order: Order) -> None:
    """Refuse what the tables cannot hold or what would stand for something else. Raises Unstorable."""
    if not (_is_id(order.external_id) and _is_id(order.number)):
        raise Unstorable("the order has no usable id")
    if len(order.currency) != _CURRENCY_LENGTH:
        raise Unstorable("the currency is no ISO 4217 code")
    for moment in (order.placed_at, order.platform_updated_at):
        if moment is not None and moment.tzinfo is None:
            raise Unstorable("a time names no zone")
    if len(order.lines) > _LINES or len(order.shipments) > _SHIPMENTS:
        raise Unstorable(f"an order has at most {_LINES} lines and {_SHIPMENTS} shipments")
    if not all(_is_amount(amount) for amount in _amounts(order.totals)):
        raise Unstorable("a total is not a plain amount")
    for line in order.lines:
        _check_line(line)
    _check_distinct((line.external_id for line in order.lines), "lines")
    _check_distinct((one.external_id for one in order.shipments), "shipments")


def _check_line(line: OrderLine) -> None:
    if not _is_id(line.external_id):
        raise Unstorable("a line has no usable id")
    if not 0 <= line.quantity <= _QUANTITY:
        raise Unstorable(f"line {line.external_id}: the quantity is out of range")
    if not (_is_amount(line.unit_price) and _is_amount(line.line_total)):
        raise Unstorable(f"line {line.external_id}: the price is not a plain amount")


def _check_distinct(ids: Iterable[str], what: str) -> None:
    found = list(ids)
    if len(set(found)) < len(found):
        raise Unstorable(f"two {what} have the same id")


def _is_id(value: str) -> bool:
    return 0 < len(value) <= _ID_LENGTH


def _is_amount(value: Decimal) -> bool:
    return value.is_finite() and abs(value) < _AMOUNT


def _amounts(totals: Totals) -> list[Decimal]:
    return [amount for amount in msgspec.structs.astuple(totals) if amount is not None]


def money_gap(order: Order) -> Decimal | None:
    """By how much an order's money misses adding up; None when it does to the cent.

    Compared are the total with its parts, then the goods with the lines. A platform that does not say whose a discount
    was leaves a gap of just that discount, which is worth showing as much as a mistake is.
    """
    totals = order.totals
    parts = (
        totals.items
        - (totals.discount_seller or _ZERO)
        - (totals.discount_platform or _ZERO)
        + (totals.shipping or _ZERO)
        + (totals.tax or _ZERO)
        + (totals.other_fees or _ZERO)
    )
    gap = totals.grand_total - parts
    if gap:
        return gap
    lines = sum((line.line_total for line in order.lines), _ZERO)
    return (totals.items - lines) or None


def unknown_statuses(order: Order) -> list[str]:
    """The platform's words for a state of the order, its lines or its returns that no connector knows."""
    found = [order.platform_status] if order.status is OrderStatus.UNKNOWN else []
    found += [line.platform_status for line in order.lines if line.status is OrderStatus.UNKNOWN]
    found += [one.platform_status for one in order.returns if one.status is ReturnStatus.UNKNOWN]
    return [status for status in dict.fromkeys(found) if status]


def fold(items: Iterable[OrderItem]) -> dict[str, OrderItem]:
    """One item per order: the later one counts, unless its own time says that it is older."""
    folded: dict[str, OrderItem] = {}
    for one in items:
        before = folded.get(one.external_id)
        if before is None or not is_older(one.changed_at, before.changed_at):
            folded[one.external_id] = one
    return folded


def is_older(fresh: datetime | None, known: datetime | None) -> bool:
    """Whether something is from before what is known; times that nobody told decide nothing."""
    return fresh is not None and known is not None and fresh < known


@dataclass(frozen=True, slots=True)
class Whom:
    """Somebody by what stands in orders: an address of mail, a telephone number, or both; one that fits is enough."""

    email: str = ""
    phone: str = ""


def whom(email: str | None, phone: str | None) -> Whom:
    """As it is compared. Raises Invalid for neither, or for what could be many people's."""
    found = Whom(_mail(email), _digits(phone))
    if not (found.email or found.phone):
        raise Invalid.field("email", "Say an address of mail or a telephone number.")
    if email and "@" not in found.email:
        raise Invalid.field("email", "This is not an e-mail address.")
    if phone and len(found.phone) < _LEAST_DIGITS:
        raise Invalid.field("phone", f"A whole number, with at least {_LEAST_DIGITS} digits.")
    return found


def names(known: Personal | Customer, person: Whom) -> bool:
    """Whether an order or a customer is about this person; what the platform shows as stars fits nobody."""
    if isinstance(known, Personal):
        parts: list[Customer | Address | None] = [known.customer, known.shipping_address, known.billing_address]
    else:
        parts = [known]
    return any(_fits(one, person) for one in parts if one is not None)


def _fits(one: Customer | Address, person: Whom) -> bool:
    if person.email and _mail(one.email) == person.email:
        return True
    digits = _digits(one.phone)
    return bool(person.phone) and len(digits) >= _LEAST_DIGITS and _same_number(digits, person.phone)


def _mail(given: str | None) -> str:
    return text.shown(given or "").strip().casefold()


def _digits(given: str | None) -> str:
    return "".join(one for one in given or "" if one.isascii() and one.isdecimal())


def _same_number(one: str, other: str) -> bool:
    """The same digits, or one of them with the country's code and the other with a zero in its place."""
    bare, whole = sorted((one.lstrip("0"), other.lstrip("0")), key=len)
    if bare == whole:
        return True
    national = one if one.lstrip("0") == bare else other
    return national.startswith("0") and whole.endswith(bare) and len(whole) - len(bare) <= _COUNTRY_DIGITS


def person_mark(external_id: str) -> str:
    """What remembers a person whom somebody asked to forget, in place of a customer's external id."""
    return f"forgotten person {external_id}"


def order_mark(external_id: str) -> str:
    """What remembers an order whose person somebody asked to forget."""
    return f"forgotten order {external_id}"


def is_forgotten(one: OrderItem, marks: Mapping[str, datetime]) -> bool:
    """Whether an order that is not known yet comes without what is personal: who comes back later is somebody new."""
    if order_mark(one.external_id) in marks:
        return True
    person = one.personal.customer
    until = marks.get(person_mark(person.external_id)) if person is not None and person.external_id else None
    return until is not None and (one.order.placed_at is None or one.order.placed_at <= until)


def seal_text(value: Personal | Customer) -> str:
    """The text to seal."""
    return storable(_ENCODER.encode(value).decode())


def personal_of(text: str) -> Personal:
    """What was sealed."""
    return _PERSONAL.decode(text)


def whole(order: Order, personal: Personal) -> Order:
    """The order with what names a person in its place again."""
    return msgspec.structs.replace(order, **msgspec.structs.asdict(personal))


def customer_of(text: str) -> Customer:
    """What was sealed."""
    return _CUSTOMER.decode(text)


def joined(known: Personal, fresh: Personal) -> Personal:
    """`fresh`, with what is known in the clear where it shows stars or nothing any more (marketplaces.md 2.8)."""
    return Personal(
        customer(known.customer, fresh.customer),
        _address(known.shipping_address, fresh.shipping_address),
        _address(known.billing_address, fresh.billing_address),
        fresh.buyer_note or known.buyer_note,
        fresh.seller_note,
    )


def customer(known: Customer | None, fresh: Customer | None) -> Customer | None:
    """As `joined`, for one customer; another customer than before is taken as it is."""
    if known is None or fresh is None or known.external_id != fresh.external_id:
        return fresh or known
    names = {name: _clear(getattr(known, name), getattr(fresh, name)) for name in ("name", "email", "phone")}
    return msgspec.structs.replace(fresh, **names, is_masked=is_masked(*names.values()))


def _address(known: Address | None, fresh: Address | None) -> Address | None:
    if known is None or fresh is None or not (fresh.is_masked or fresh == Address()):
        return fresh or known
    names: dict[str, Any] = {name: _clear(getattr(known, name), getattr(fresh, name)) for name in _ADDRESS_TEXTS}
    return msgspec.structs.replace(fresh, **names, is_masked=is_masked(*names.values()))


_ADDRESS_TEXTS: Final = tuple(
    one.name for one in msgspec.structs.fields(Address) if one.name not in {"codes", "is_masked"}
)


def _clear(known: str | None, fresh: str | None) -> str | None:
    hidden = not fresh or _MASK in fresh
    return known if hidden and known and _MASK not in known else fresh


def is_masked(*texts: str | None) -> bool:
    """Whether one of the texts shows stars instead of letters."""
    return any(_MASK in one for one in texts if one)
