"""Connector contract and wire: what each function takes and answers, and how what has no schema of its own travels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
from multidict import CIMultiDict

from isthmus.client import ACCEPTED, Failure, Request, Response
from isthmus.client.url import parse
from isthmus.connect.acting import Action
from isthmus.connect.apart.frames import Answer
from isthmus.connect.record import Record
from isthmus.connect.shapes import Listing, Order, Variant
from isthmus.connect.spi import Account, FoundRecord, RawRecord, RecordPage, SearchFor, Window
from isthmus.connect.writing import Edit, EditField, EditValue, Outcome
from isthmus.kit import text

T = TypeVar("T")
#: Where a request without a host of its own seems to go, until the platform's client puts its own before it.
NOWHERE: Final = "http://connection.invalid"


class Place(msgspec.Struct, frozen=True, array_like=True):
    """What a connector may know of a session."""

    hosts: dict[str, str]
    account: Account


class Value(msgspec.Struct, frozen=True, array_like=True):
    """The value of an edit, with its kind: on the wire a price would look like a text."""

    kind: Literal["none", "price", "stock", "text", "flag"]
    text: str = ""


class SentEdit(msgspec.Struct, frozen=True, array_like=True):
    """An edit as it travels."""

    key: str
    field: EditField
    value: Value
    listing: Listing
    variant: Variant | None
    location: str
    based_on: Value
    currency: str


class SentRecord(msgspec.Struct, frozen=True, array_like=True):
    """A record as it travels; its body is JSON, whose numbers know no bounds."""

    record: Record
    body: bytes


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """A judgement; `accepted` is the one that takes an answer as good against its status."""

    failure: Failure | None
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Function(Generic[T]):
    """A function of the contract: its name, and the schemas of its arguments and of its result."""

    name: str
    arguments: msgspec.msgpack.Decoder[tuple[Any, ...]]
    result: msgspec.msgpack.Decoder[T]
    #: Whether it changes something at the far side.
    writes: bool = False


def _function(name: str, arguments: Any, result: Any, *, writes: bool = False) -> Function[Any]:  # noqa: ANN401 - types
    return Function(name, msgspec.msgpack.Decoder(arguments), msgspec.msgpack.Decoder(result), writes)


CLASSIFY: Final[Function[Verdict]] = _function("classify", tuple[Answer], Verdict)
MAP_LISTING: Final[Function[Listing]] = _function("map_listing", tuple[RawRecord, Account], Listing)
MAP_ORDER: Final[Function[Order]] = _function("map_order", tuple[RawRecord, Account], Order)
MAP: Final[Function[SentRecord]] = _function("map", tuple[str, RawRecord, Account], SentRecord)
BATCHES: Final[Function[list[list[str]]]] = _function("batches", tuple[list[SentEdit], Account], list[list[str]])
CHECK: Final[Function[str]] = _function("check", tuple[Action], str)
SHOWS: Final[Function[bool | None]] = _function("shows", tuple[Action, Order], bool | None)
TEST: Final[Function[Account]] = _function("test", tuple[Place], Account)
PULL_LISTINGS: Final[Function[RecordPage]] = _function("pull_listings", tuple[Place, Window, str | None], RecordPage)
PULL_ORDERS: Final[Function[RecordPage]] = _function("pull_orders", tuple[Place, Window, str | None], RecordPage)
PULL: Final[Function[RecordPage]] = _function("pull", tuple[Place, str, Window, str | None], RecordPage)
FETCH: Final[Function[RawRecord | None]] = _function("fetch", tuple[Place, str, str], RawRecord | None)
SEARCH: Final[Function[list[FoundRecord]]] = _function("search", tuple[Place, SearchFor], list[FoundRecord])
WRITE: Final[Function[list[Outcome]]] = _function("write", tuple[Place, list[SentEdit]], list[Outcome], writes=True)
ACT: Final[Function[list[Outcome]]] = _function("act", tuple[Place, Action], list[Outcome], writes=True)

#: Functions that compute, and those that ask for requests.
PURE: Final[Mapping[str, Function[Any]]] = MappingProxyType(
    {one.name: one for one in (CLASSIFY, MAP_LISTING, MAP_ORDER, MAP, BATCHES, CHECK, SHOWS)}
)
CALLS: Final[Mapping[str, Function[Any]]] = MappingProxyType(
    {one.name: one for one in (TEST, PULL_LISTINGS, PULL_ORDERS, PULL, FETCH, SEARCH, WRITE, ACT)}
)


def sent_edit(edit: Edit) -> SentEdit:
    """An edit, for the way."""
    value, before = _sent_value(edit.value), _sent_value(edit.based_on)
    return SentEdit(edit.key, edit.field, value, edit.listing, edit.variant, edit.location, before, edit.currency)


def edit_of(sent: SentEdit) -> Edit:
    """An edit, come home. Raises ValueError."""
    value, before = _value(sent.value), _value(sent.based_on)
    return Edit(sent.key, sent.field, value, sent.listing, sent.variant, sent.location, before, sent.currency)


def _sent_value(value: EditValue) -> Value:
    if value is None:
        return Value("none")
    if isinstance(value, bool):
        return Value("flag", "true" if value else "")
    if isinstance(value, Decimal):
        return Value("price", str(value))
    return Value("stock", str(value)) if isinstance(value, int) else Value("text", value)


def _value(sent: Value) -> EditValue:
    if sent.kind == "price":
        return Decimal(sent.text)
    if sent.kind == "stock":
        return int(sent.text)
    if sent.kind == "flag":
        return bool(sent.text)
    return sent.text if sent.kind == "text" else None


def sent_record(record: object) -> SentRecord:
    """A mapped record, for the way. Raises TypeError for what is none."""
    if not isinstance(record, Record):
        raise TypeError("a connector's `map` answers with a Record")
    return SentRecord(msgspec.structs.replace(record, body={}), msgspec.json.encode(record.body))


def record_of(sent: SentRecord) -> Record:
    """A mapped record, come home. Raises msgspec's errors."""
    return msgspec.structs.replace(sent.record, body=msgspec.json.decode(sent.body, type=dict[str, Any]))


def sent_verdict(failure: Failure | None) -> Verdict:
    """A judgement, for the way."""
    return Verdict(None, accepted=True) if failure is ACCEPTED else Verdict(failure)


def failure_of(verdict: Verdict) -> Failure | None:
    """A judgement, come home."""
    return ACCEPTED if verdict.accepted else verdict.failure


def sent_answer(
    response: Response, method: str, url: str, hide: Callable[[bytes], bytes] = lambda content: content
) -> Answer:
    """A platform's answer, for the way: with the request as it may be shown, and secrets taken out of what is read."""
    content, headers = hide(response.content), tuple(_header(*one, hide) for one in response.headers.items())
    return Answer(response.status, headers, content, method, url, response.attempts, response.waited, response.duration)


def _header(name: str, value: str, hide: Callable[[bytes], bytes]) -> tuple[str, str]:
    return text.storable(str(name)), hide(text.storable(value).encode()).decode("utf-8", "replace")


def response_of(answer: Answer) -> Response:
    """A platform's answer, for a connector. Raises InvalidRequest for an address that is none."""
    request = Request(answer.method, parse(answer.url or NOWHERE), CIMultiDict())
    response = Response(answer.status, CIMultiDict(answer.headers), answer.content, request)
    response.attempts, response.waited, response.duration = answer.attempts, answer.waited, answer.duration
    return response


def keys_of(batches: Sequence[Sequence[Edit]]) -> list[list[str]]:
    """Which edits are in which batch."""
    return [[edit.key for edit in batch] for batch in batches]
