"""What a widget shows: activities, and records with some of their fields (pure)."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import msgspec

from isthmus.connect.record import Record
from isthmus.connect.shapes import Listing, Order
from isthmus.kit.errors import Invalid
from isthmus.kit.text import camelled

Json = Mapping[str, Any]
ActivityType = Literal["sync", "test", "connect", "disconnect"]
ActivityStatus = Literal["success", "failed", "running"]
TimeRange = Literal["1h", "24h", "7d", "30d"]
RANGES: Mapping[TimeRange, timedelta] = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
#: Event type -> what a widget shows of it. Runs of one sync are one activity, which ends.
KINDS: Mapping[str, tuple[ActivityType, ActivityStatus]] = {
    "connection.connected": ("connect", "success"),
    "connection.expired": ("connect", "failed"),
    "connection.disconnected": ("disconnect", "success"),
    "connection.tested": ("test", "success"),
    "sync.started": ("sync", "running"),
    "sync.completed": ("sync", "success"),
    "sync.failed": ("sync", "failed"),
    "sync.parked": ("sync", "failed"),
    "sync.cancelled": ("sync", "failed"),
}
_SYNC_DETAILS = ("entity", "mode", "state", "records", "created", "updated", "failed", "error")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_FILTERS, _TEXT, _CHOICES = 10, 200, 50
#: Comparisons and values of one request, however they are spread (security.md IN-01).
_TESTS, _VALUES = 50, 100


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that happened to an integration."""

    id: str
    connection_id: str
    type: ActivityType
    status: ActivityStatus
    at: datetime
    details: Json


def activity(event: Json) -> Activity:
    """The activity that an event of the log tells of."""
    kind, status = KINDS[event["type"]]
    body: Json = event["body"] or {}
    if kind == "sync":
        details = {name: body[name] for name in _SYNC_DETAILS if name in body}
        return Activity(event["subject"], body.get("connectionId", ""), kind, status, event["at"], details)
    if kind == "test" and body.get("success") is False:
        status = "failed"
    details = {name: body[name] for name in ("error", "reason", "revoked") if body.get(name)}
    return Activity(event["id"], event["subject"], kind, status, event["at"], details)


def shown(record: object) -> dict[str, Any]:
    """A canonical record as JSON, under the names that the API has; of an order nothing personal (SC-04)."""
    if isinstance(record, Record):
        about = {"id": record.external_id, "title": record.title, "url": record.url, "updatedAt": record.updated_at}
        builtins: dict[str, Any] = msgspec.to_builtins({**about, **record.body})
        return builtins
    told: dict[str, Any] = msgspec.to_builtins(record)
    hidden = _PERSONAL if isinstance(record, Order) else frozenset()
    made: dict[str, Any] = {camelled(name): _nested(value) for name, value in told.items() if name not in hidden}
    return {"id": made.get("externalId"), **made}


def _nested(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list | tuple):
        return [_nested(one) for one in value]
    if isinstance(value, dict):
        return {camelled(name): _nested(one) for name, one in value.items()}
    return value


_SHAPES: Mapping[str, type[msgspec.Struct]] = {"products": Listing, "orders": Order}
#: What of an order names or describes a person. Lists of orders show it to nobody, and neither do widgets.
_PERSONAL = frozenset(("customer", "shipping_address", "billing_address", "buyer_note", "seller_note"))


def names_of(entity: str, described: Sequence[str]) -> frozenset[str]:
    """The fields that records of an entity have; none where only the records themselves tell."""
    shape = _SHAPES.get(entity)
    if shape is not None:
        hidden = _PERSONAL if shape is Order else frozenset()
        return frozenset({"id", *(camelled(one) for one in shape.__struct_fields__ if one not in hidden)})
    return frozenset({"id", "title", "url", "updatedAt", *described}) if described else frozenset()


Test = Callable[[Json], bool]


def read_fields(given: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The fields that are wanted; none means all. Raises Invalid naming each one that there is not."""
    asked = tuple(dict.fromkeys(given))
    wrong = [name for name in asked if not _is_field(name, known)]
    if wrong:
        choice = f" There is: {', '.join(sorted(known))}." if known else ""
        fields = [{"path": "fields", "message": f"No such field: {name[:100]}.{choice}"} for name in wrong]
        raise Invalid(details={"fields": fields})
    return asked


def read_filters(given: str, known: Collection[str]) -> tuple[Test, ...]:
    """What records must be like, from `{"field": value}` or `{"field": {"gte": value}}`. Raises Invalid."""
    if not given:
        return ()
    try:
        asked = msgspec.json.decode(given.encode())
    except (msgspec.DecodeError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise Invalid.field("filters", 'Give a JSON object, such as {"status": "active"}.')
    if len(asked) > _FILTERS:
        raise Invalid.field("filters", f"At most {_FILTERS} fields.")
    tests: list[Test] = []
    values = 0
    for name, wanted in asked.items():
        if not _is_field(name, known):
            raise Invalid.field(f"filters.{name[:100]}", "There is no such field.")
        conditions = wanted if isinstance(wanted, dict) else {"eq": wanted}
        tests += [_test(name, operator, value) for operator, value in conditions.items()]
        values += sum(len(value) if isinstance(value, list) else 1 for value in conditions.values())
    if len(tests) > _TESTS or values > _VALUES:
        raise Invalid.field("filters", f"At most {_TESTS} comparisons with {_VALUES} values together.")
    return tuple(tests)


def _is_field(name: str, known: Collection[str]) -> bool:
    return name in known if known else _NAME.fullmatch(name) is not None


def _test(name: str, operator: str, wanted: Any) -> Test:  # noqa: ANN401 - JSON
    judge = _OPERATORS.get(operator)
    if judge is None:
        raise Invalid.field(f"filters.{name}", f"No such comparison; there is: {', '.join(_OPERATORS)}.")
    values = wanted if operator == "in" else [wanted]
    plain = isinstance(values, list) and len(values) <= _CHOICES and all(_is_plain(one) for one in values)
    if not plain:
        raise Invalid.field(f"filters.{name}", "Compare with a text, a number, true, false or null; `in` takes a list.")
    return lambda record: judge(record.get(name), wanted)


def _is_plain(value: object) -> bool:
    return value is None or (isinstance(value, str | int | float | bool) and len(str(value)) <= _TEXT)


def _pair(one: Any, other: Any) -> tuple[Any, Any] | None:  # noqa: ANN401 - JSON
    """Both as numbers where both are, else as texts; None where there is nothing to compare."""
    if one is None or other is None or isinstance(one, list | dict):
        return None
    try:
        pair = Decimal(str(one)), Decimal(str(other))
    except InvalidOperation:
        return str(one), str(other)
    # `nan` is a word: a number that is none compares with nothing, and one of its kinds refuses to be compared
    return pair if all(each.is_finite() for each in pair) else (str(one), str(other))


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    if one is None or other is None or isinstance(one, bool) or isinstance(other, bool):
        return one is other
    pair = _pair(one, other)
    return pair is not None and pair[0] == pair[1]


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def judge(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
        pair = _pair(one, other)
        return pair is not None and compare(*pair)

    return judge


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": _same,
    "ne": lambda one, other: not _same(one, other),
    "gt": _ordered(lambda one, other: one > other),
    "gte": _ordered(lambda one, other: one >= other),
    "lt": _ordered(lambda one, other: one < other),
    "lte": _ordered(lambda one, other: one <= other),
    "in": lambda one, others: any(_same(one, other) for other in others),
    "contains": lambda one, other: str(other).casefold() in str(one).casefold() if one is not None else False,
}


def matching(records: Sequence[Json], tests: Sequence[Test]) -> list[Json]:
    """The records that pass every test."""
    return [record for record in records if all(test(record) for test in tests)] if tests else list(records)


def trimmed(records: Sequence[Json], fields: Sequence[str]) -> list[Json]:
    """The records with the wanted fields only."""
    return [{name: record.get(name) for name in fields} for record in records] if fields else list(records)
