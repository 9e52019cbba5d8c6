"""Incremental reading as pure arithmetic: windows with look-back, and a state that only grows with finished windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from isthmus.client.paths import dig
from isthmus.client.rest.endpoint import DatetimeBasedCursor
from isthmus.client.url import Scalar


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of time to read, both ends included."""

    start: datetime
    end: datetime


def windows(cursor: DatetimeBasedCursor, state: str | None, now: datetime) -> Iterator[Window]:
    """The windows from the state, less the look-back, to now."""
    start = _read(cursor.start_datetime, "iso") or datetime(1970, 1, 1, tzinfo=UTC)
    if state is not None:
        reached = _read(state, "iso")
        if reached is not None:
            start = max(start, reached - cursor.lookback)
    grain = timedelta(seconds=cursor.cursor_granularity)
    step = timedelta(seconds=cursor.step) if cursor.step else None
    while start <= now:
        end = now if step is None else min(start + step - grain, now)
        yield Window(start, end)
        following = end + grain
        if end >= now or following <= start:
            return
        start = following


def parameters(cursor: DatetimeBasedCursor, window: Window) -> dict[str, Scalar]:
    """The window as parameters."""
    found: dict[str, Scalar] = {}
    if cursor.start_field:
        found[cursor.start_field] = _write(window.start, cursor.datetime_format)
    if cursor.end_field:
        found[cursor.end_field] = _write(window.end, cursor.datetime_format)
    return found


def reached(cursor: DatetimeBasedCursor, record: object) -> datetime | None:
    """The time in a record, if it can be read."""
    return _read(dig(record, cursor.cursor_field), cursor.datetime_format)


def state_of(moment: datetime) -> str:
    """The state as it is kept."""
    return moment.astimezone(UTC).isoformat()


def _write(moment: datetime, form: str) -> Scalar:
    if form == "iso":
        return moment.astimezone(UTC).isoformat()
    if form == "epoch":
        return int(moment.timestamp())
    if form == "epoch_ms":
        return int(moment.timestamp() * 1000)
    return moment.astimezone(UTC).strftime(form)


def _read(value: object, form: str) -> datetime | None:
    try:
        if form in {"epoch", "epoch_ms"}:
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                return None
            seconds = float(value) / (1000 if form == "epoch_ms" else 1)
            # Times outside 1970-2100 are mistakes (security.md PA-05), not something to sync up to.
            return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds < 4_102_444_800 else None
        if not isinstance(value, str):
            return None
        read = datetime.fromisoformat(value) if form == "iso" else datetime.strptime(value, form)  # noqa: DTZ007 - below
    except (ValueError, OverflowError):
        return None
    read = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
    return read if 1970 <= read.year < 2100 else None
