"""Expressions and transforms: what stands in the far side's JSON, made into one record (pure)."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from isthmus.connect import reading
from isthmus.connect.expressions import find
from isthmus.connect.record import Record
from isthmus.connect.service import EntityMapping, FieldMapping
from isthmus.connect.spi import Unmappable
from isthmus.kit import text

#: The first second of the year 2100.
_LATEST = 4_102_444_800
_TITLE = "name || title || subject || displayName || display_name || email || to_string(id)"
#: Without a mapping of its own a record keeps all its fields, and is found by what most platforms call them.
_USUAL = (
    FieldMapping(source="id", target="id", transform="text"),
    FieldMapping(source=_TITLE, target="title", transform="text"),
    FieldMapping(source="url || html_url", target="url", transform="text"),
    FieldMapping(source="updated_at || updatedAt || modified_at", target="updatedAt", transform="date"),
)


@dataclass(frozen=True, slots=True)
class Mapper:
    """One entity's mapping, ready to be used."""

    columns: Mapping[str, FieldMapping]
    fields: Sequence[FieldMapping]
    whole: bool
    entity: str = ""
    shard_type: str = ""

    @classmethod
    def of(cls, entity: str, shard_type: str, mapping: EntityMapping | None) -> "Mapper":
        """From the manifest; what it does not map is read by the usual names."""
        given = mapping.field_mappings if mapping is not None else ()
        usual = {one.target: one for one in _USUAL}
        columns = usual | {one.target: one for one in given if one.target in (*usual, "deleted")}
        fields = [one for one in given if one.target not in columns]
        return cls(columns, fields, not fields, entity, shard_type)

    def record(self, value: object) -> Record:
        """The record. Raises Unmappable."""
        if not isinstance(value, dict):
            raise Unmappable("The record is not an object.")
        return Record(
            external_id=reading.ident(self._column("id", value), "id"),
            title=text.shown(str(self._column("title", value) or "")),
            url=_address(self._column("url", value)),
            updated_at=_moment(self._column("updatedAt", value)),
            body=value if self.whole else {one.target: changed(one, value) for one in self.fields},
            deleted=bool(self._column("deleted", value)),
            entity=self.entity,
            shard_type=self.shard_type,
        )

    def _column(self, name: str, value: object) -> Any:  # noqa: ANN401 - any JSON
        mapping = self.columns.get(name)
        return changed(mapping, value) if mapping is not None else None


def changed(mapping: FieldMapping, value: object) -> Any:  # noqa: ANN401 - any JSON
    """The field's value after its transform; None stays None. Raises Unmappable where it cannot be read so."""
    found = find(mapping.source, value)
    if found is None or mapping.transform is None:
        return found
    try:
        return _TRANSFORMS[mapping.transform](found)
    except (ValueError, TypeError, OverflowError) as error:
        raise Unmappable(f"The field {mapping.target} cannot be read as {mapping.transform}.") from error


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("no text")


def _number(value: object) -> int | float:
    if isinstance(value, bool):
        raise ValueError("a truth value is no number")
    if isinstance(value, int | float):
        return value
    number = float(_text(value))
    if not math.isfinite(number):
        raise ValueError("no number")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _boolean(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in {"true", "yes", "1", "y", "on"}
    return bool(value)


def _iso(moment: datetime) -> str:
    if not 1970 <= moment.year < 2100:
        raise ValueError("outside the years 1970 to 2100")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _date(value: object) -> str:
    moment = datetime.fromisoformat(_text(value).strip())
    return _iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _epoch(value: object) -> str:
    seconds = _number(value)
    if not 0 <= seconds < _LATEST:
        raise ValueError("outside the years 1970 to 2100")
    return _iso(datetime.fromtimestamp(seconds, UTC))


def _joined(value: object) -> str:
    return ", ".join(_text(one) for one in value) if isinstance(value, list) else _text(value)


def _first(value: object) -> object:
    return (value[0] if value else None) if isinstance(value, list) else value


_TRANSFORMS: Mapping[str, Callable[[Any], object]] = {
    "text": _text,
    "trim": lambda value: _text(value).strip(),
    "lower": lambda value: _text(value).lower(),
    "upper": lambda value: _text(value).upper(),
    "number": _number,
    "integer": lambda value: int(_number(value)),
    "boolean": _boolean,
    "date": _date,
    "epoch": _epoch,
    "epoch_ms": lambda value: _epoch(_number(value) / 1000),
    "plain_text": lambda value: text.from_html(_text(value)),
    "first": _first,
    "join": _joined,
    "count": lambda value: len(value) if isinstance(value, list | dict | str) else 0,
}


def _address(value: object) -> str | None:
    """Only web addresses are shown as links."""
    return value[:2_000] if isinstance(value, str) and value.startswith(("https://", "http://")) else None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Unmappable("The time of change cannot be read.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
