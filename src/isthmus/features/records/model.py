"""Canonical records as they are stored, and the pure rules over them: checks, content hashes, merging of fragments.

A record is compared by the hash of its canonical content, encoded once; the same bytes are what is stored.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b

import msgspec

from isthmus.connect.record import Record
from isthmus.connect.shapes import Listing, ListingStatus, Variant
from isthmus.features.records.errors import Unstorable

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Listing)
# What exists once per record is a struct and not a dataclass, which takes ten times as long to make.
#: NUL as JSON spells it, not preceded by an odd backslash; PostgreSQL stores no such text (security.md PA-03).
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_DIGEST_BYTES = 16
#: How the platform's time of change stands in an encoded listing; its own quotes would be escaped inside of a text.
_CHANGED = b'"platform_updated_at":"'
_ID_LENGTH = 200
_TITLE_LENGTH = 2_000
_RECORD_BYTES = 1_000_000
_VARIANTS = 5_000
_STOCK_LIMIT = 10**12
_PRICE_LIMIT = Decimal(10) ** 20
_CURRENCY_LENGTH = 3


class ListingItem(msgspec.Struct, frozen=True, gc=False):
    """One listing ready to be compared: checked, encoded and hashed outside of any transaction."""

    listing: Listing
    raw: bytes
    raw_hash: bytes
    body: bytes
    hash: bytes

    @property
    def external_id(self) -> str:
        """The listing's id at its platform."""
        return self.listing.external_id

    @property
    def whole(self) -> bool:
        """False for one sibling of a listing that comes variant by variant."""
        return self.listing.variants_complete

    @property
    def changed_at(self) -> datetime | None:
        """When the platform last changed it."""
        return self.listing.platform_updated_at


class Stored(msgspec.Struct, frozen=True, gc=False):
    """What the store knows of a listing before a write."""

    id: str
    product_id: str
    hash: bytes
    raw_hash: bytes
    status: str
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListingFilter:
    """Which listings a caller wants; None means any."""

    connection_id: str | None = None
    provider: str | None = None
    status: str | None = None
    sku: str | None = None
    search: str | None = None
    updated_since: datetime | None = None
    min_stock: int | None = None
    max_stock: int | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None


class RecordItem(msgspec.Struct, frozen=True, gc=False):
    """One record of any kind, ready to be compared: checked, encoded and hashed outside of any transaction."""

    record: Record
    body: bytes
    hash: bytes

    @property
    def external_id(self) -> str:
        """The far side's id."""
        return self.record.external_id

    @property
    def whole(self) -> bool:
        """Always: records of any kind come in one piece."""
        return True

    @property
    def changed_at(self) -> datetime | None:
        """When it last changed, by the far side's clock."""
        return self.record.updated_at


@dataclass(frozen=True, slots=True)
class Kind:
    """What records are of: the provider's entity, and the canonical type that it is mapped to."""

    entity: str
    shard_type: str


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records a caller wants; None means any, `shard_types` empty too."""

    connection_id: str | None = None
    provider: str | None = None
    entity: str | None = None
    shard_type: str | None = None
    shard_types: tuple[str, ...] | None = None
    search: str | None = None
    updated_since: datetime | None = None


def record_item(record: Record) -> RecordItem:
    """Check, encode and hash a record; a title that is too long is cut. Raises Unstorable."""
    if not _is_id(record.external_id):
        raise Unstorable("the record has no usable id")
    if record.updated_at is not None and record.updated_at.tzinfo is None:
        raise Unstorable("the time of change names no zone")
    kept = msgspec.structs.replace(record, title=record.title[:_TITLE_LENGTH])
    whole = _json(kept, "record")
    if len(whole) > _RECORD_BYTES:
        raise Unstorable(f"the record is larger than {_RECORD_BYTES} bytes")
    return RecordItem(kept, _json(kept.body, "record"), blake2b(whole, digest_size=_DIGEST_BYTES).digest())


def item(listing: Listing, raw: bytes, raw_hash: bytes) -> ListingItem:
    """Check, encode and hash a listing. Raises Unstorable."""
    check(listing)
    body = encode(listing)
    return ListingItem(
        listing, raw, raw_hash, body, blake2b(_content(listing, body), digest_size=_DIGEST_BYTES).digest()
    )


def _content(listing: Listing, body: bytes) -> bytes:
    """What makes a listing another one: all but the time of its change, which platforms move for nothing too."""
    if any(one.changed_at is not None for one in listing.variants):
        body = encode(msgspec.structs.replace(listing, variants=tuple(map(_untimed, listing.variants))))
    if listing.platform_updated_at is None:
        return body
    start = body.rfind(_CHANGED)
    return body[:start] + body[body.index(b'"', start + len(_CHANGED)) :]


def _untimed(variant: Variant) -> Variant:
    return msgspec.structs.replace(variant, changed_at=None)


def revision(*parts: str) -> bytes:
    """The key of raw hashes: whatever decides how raw bytes are read, such as the provider and its API version."""
    return blake2b("\0".join(parts).encode(), digest_size=_DIGEST_BYTES).digest()


def raw_hash(raw: bytes, reading: bytes) -> bytes:
    """The hash of a record as the platform sent it; equal ones, read by the same `revision`, are the same record."""
    return blake2b(raw, digest_size=_DIGEST_BYTES, key=reading).digest()


def encode(listing: Listing) -> bytes:
    """The canonical JSON of a listing. Raises Unstorable for text that no UTF-8 store can hold (PA-03)."""
    return _json(listing, "listing")


def _json(value: object, what: str) -> bytes:
    try:
        body = _ENCODER.encode(value)
    except UnicodeEncodeError:
        raise Unstorable("a text holds half of a UTF-16 surrogate pair") from None
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise Unstorable(f"the {what} has no JSON form") from None
    if b"\\u0000" in body and _NUL.search(body):
        raise Unstorable("a text holds the character U+0000")
    return body


def decode(body: bytes) -> Listing:
    """The listing of a stored body. Raises Unstorable when the bytes are not one."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Unstorable("the listing does not have the canonical shape") from None


def check(listing: Listing) -> None:
    """Refuse what the tables cannot hold or what would stand for something else. Raises Unstorable."""
    if not _is_id(listing.external_id):
        raise Unstorable("the listing has no usable id")
    if len(listing.title) > _TITLE_LENGTH:
        raise Unstorable(f"the title is longer than {_TITLE_LENGTH} characters")
    changed = listing.platform_updated_at
    if changed is not None and changed.tzinfo is None:
        raise Unstorable("the time of change names no zone")
    variants = listing.variants
    if not variants or len(variants) > _VARIANTS:
        raise Unstorable(f"a listing has 1 to {_VARIANTS} variants, not {len(variants)}")
    for variant in variants:
        _check_variant(variant)
    if len(variants) > 1 and len({variant.external_id for variant in variants}) < len(variants):
        raise Unstorable("two variants have the same id")


def _check_variant(variant: Variant) -> None:
    if not _is_id(variant.external_id):
        raise Unstorable("a variant has no usable id")
    for name, value in (("SKU", variant.sku), ("barcode", variant.barcode)):
        if value is not None and len(value) > _ID_LENGTH:
            raise Unstorable(f"variant {variant.external_id}: the {name} is longer than {_ID_LENGTH} characters")
    price = variant.price
    if price is not None:
        current = price.current_price
        if not (_is_amount(current) and (price.list_price is current or _is_amount(price.list_price))):
            raise Unstorable(f"variant {variant.external_id}: the price is not a plain amount")
        if len(price.currency) != _CURRENCY_LENGTH:
            raise Unstorable(f"variant {variant.external_id}: the currency is no ISO 4217 code")
    for place in variant.inventory:
        if not -_STOCK_LIMIT <= place.available <= _STOCK_LIMIT:
            raise Unstorable(f"variant {variant.external_id}: the stock is out of range")


def _is_id(value: str) -> bool:
    return 0 < len(value) <= _ID_LENGTH


def _is_amount(value: Decimal) -> bool:
    return value.is_finite() and 0 <= value < _PRICE_LIMIT


def fold(items: Iterable[ListingItem]) -> dict[str, ListingItem]:
    """One item per listing: of two complete ones the later counts, fragments are put together."""
    folded: dict[str, ListingItem] = {}
    for one in items:
        before = folded.get(one.listing.external_id)
        folded[one.listing.external_id] = one if before is None else combine(before.listing, one)
    return folded


def combine(known: Listing, fresh: ListingItem) -> ListingItem:
    """`fresh`, with what is known of the listing's other variants where it is only a fragment."""
    if fresh.listing.variants_complete:
        return fresh
    return item(merge(known, fresh.listing), fresh.raw, fresh.raw_hash)


def merge(known: Listing, fragment: Listing) -> Listing:
    """Put a fragment's variants among the known ones, but for those that are from before what is known of them.

    The listing's own fields come from the fragment that holds its first variant by id: fragments of one listing may
    differ in title and pictures, and whichever arrives last must not make them look changed on every read.
    """
    stored = _timed(known, known.platform_updated_at if len(known.variants) == 1 else None)
    fresh = _timed(fragment, fragment.platform_updated_at)
    news = {id_: one for id_, one in fresh.items() if not _is_older(one, stored.get(id_))}
    variants = stored | news
    ordered = tuple(variants[key] for key in sorted(variants, key=_natural))
    lead = fragment if ordered[0].external_id in news else known
    return msgspec.structs.replace(
        lead,
        variants=ordered,
        status=_common_status(ordered, lead.status),
        platform_updated_at=_latest(known.platform_updated_at, fragment.platform_updated_at),
        variants_complete=False,
    )


def _timed(listing: Listing, at: datetime | None) -> dict[str, Variant]:
    """The variants by id, with the time of their change where it is known only of the whole."""
    return {
        one.external_id: msgspec.structs.replace(one, changed_at=at) if one.changed_at is None and at else one
        for one in listing.variants
    }


def _is_older(fresh: Variant, known: Variant | None) -> bool:
    """Whether an answer is from before what is stored, such as a page that was read before a write of ours."""
    if known is None or known.changed_at is None or fresh.changed_at is None:
        return False
    return fresh.changed_at < known.changed_at


def _natural(external_id: str) -> tuple[int, str]:
    return len(external_id), external_id


def _common_status(variants: Sequence[Variant], fallback: ListingStatus) -> ListingStatus:
    found = {variant.status for variant in variants}
    if ListingStatus.ACTIVE in found:
        return ListingStatus.ACTIVE
    return found.pop() if len(found) == 1 else fallback


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)


class Summary(msgspec.Struct, frozen=True, gc=False):
    """A listing's figures over its variants: the lowest price a buyer pays, and what can be sold in all."""

    sku: str | None
    currency: str | None
    price: Decimal | None
    stock: int | None


def summary(variants: Sequence[Variant]) -> Summary:
    """The figures that lists show and filter by; the currency is the first priced variant's."""
    if len(variants) == 1:
        only = variants[0]
        price = only.price
        return Summary(
            only.sku,
            price.currency if price else None,
            price.current_price if price else None,
            only.available,
        )
    prices = [variant.price for variant in variants if variant.price is not None]
    stocks = [variant.available for variant in variants if variant.inventory]
    currency = prices[0].currency if prices else None
    return Summary(
        next((variant.sku for variant in variants if variant.sku), None),
        currency,
        min((price.current_price for price in prices if price.currency == currency), default=None),
        sum(stock for stock in stocks if stock is not None) if stocks else None,
    )
