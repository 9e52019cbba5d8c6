"""Sync runs as data, and the pure rules over them: what to read, what a failure means, when pages lead nowhere."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

import msgspec

from isthmus.features.sync.errors import Endless
from isthmus.features.sync.settings import Settings

#: A watermark further ahead than this was written by a clock that has been set back since.
_FUTURE = timedelta(minutes=10)


class State(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARKED = "parked"

    @property
    def live(self) -> bool:
        """Whether the run still has something to do."""
        return self in {State.QUEUED, State.RUNNING, State.CANCELLING}


class Mode(StrEnum):
    """How much is read: everything, what changed since the last cycle that ended or since a date, or single records."""

    FULL = "full"
    INCREMENTAL = "incremental"
    SINCE = "since"
    ITEMS = "items"

    @property
    def whole(self) -> bool:
        """Whether the run leaves nothing out that changed before it, so that the next one may begin where it ended."""
        return self in {Mode.FULL, Mode.INCREMENTAL}


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the store holds it; the column names of its table."""

    id: str
    connection_id: str
    provider: str
    entity: str
    mode: str
    state: str
    since: datetime | None
    until: datetime
    cursor: str | None
    fence: int
    owner: str | None
    retry_at: datetime | None
    attempts: int
    deaths: int
    total: int | None
    pages: int
    records: int
    listings: int
    variants: int
    created: int
    updated: int
    unchanged: int
    failed: int
    retries: int
    throttled: int
    waited_ms: int
    waiting_until: datetime | None
    waiting_reason: str | None
    error_code: str | None
    error_message: str | None
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    changed_at: datetime
    dry_run: bool
    retry_of: str | None
    judged_before: datetime | None = None
    drift_created: int = 0
    drift_updated: int = 0
    drift_missing: int = 0

    @property
    def drift(self) -> int:
        """How many records a full read found other than the reads before it had left them."""
        return self.drift_created + self.drift_updated + self.drift_missing


RUN_COLUMNS: Final = tuple(one.name for one in fields(Run))


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a connection's entity has been read; `at` is None once that knowledge was lost."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new run will read; `lost` says that a watermark should have been there and was not usable."""

    mode: Mode
    since: datetime | None
    until: datetime
    lost: bool = False
    #: Of a full read that proves the others: what was changed before this moment should be known.
    judged_before: datetime | None = None


def plan_since(since: datetime, now: datetime) -> Plan:
    """A window that somebody asked for; the watermark stays where it is."""
    return Plan(Mode.SINCE, min(since, now), now)


def plan(mode: Mode, known: Watermark | None, *, now: datetime, overlap: timedelta, read_before: bool) -> Plan:
    """Decide the window of a new run (marketplaces.md 9.5).

    `until` becomes the next watermark: it is taken before the read, and `overlap` is read again. A first read is a
    full one; a watermark that has vanished or lies in the future makes a full one too, and is worth a warning.
    """
    at = known.at if known else None
    if mode is Mode.FULL:
        judged = at - overlap if at is not None and at <= now + _FUTURE else None
        return Plan(Mode.FULL, None, now, judged_before=judged)
    if at is None or at > now + _FUTURE:
        return Plan(Mode.FULL, None, now, lost=at is not None or known is not None or read_before)
    return Plan(Mode.INCREMENTAL, at - overlap, now)


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure of a pull in the run's own words; `passing` says that waiting may cure it.

    `tried` is false where somebody asked us to wait: our own gates, or the platform, whose daily quota may take hours
    to come back. Waiting uses up no try, and so a run ends with what went wrong and not with what followed from it.
    """

    code: str
    message: str
    passing: bool
    retry_after: float | None = None
    tried: bool = True


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after this long."""

    after: timedelta


def after_fault(fault: Fault, attempts: int, draw: float, settings: Settings) -> Retry | None:
    """What follows the `attempts`-th failed try in a row; None: the run has failed. `draw` is in [0, 1)."""
    if not fault.passing or attempts >= settings.max_attempts:
        return None
    doubled = settings.backoff * 2 ** min(max(attempts - 1, 0), 20)
    wait = min(doubled, settings.max_backoff) * (0.5 + draw / 2)
    asked = timedelta(seconds=min(fault.retry_after or 0.0, settings.max_backoff.total_seconds()))
    return Retry(max(wait, asked))


class PageGuard:
    """Notices pages that lead nowhere (SS-14); it knows what it has seen since this worker took the run.

    A connector may read some pages again on purpose, so only many repeats in a row count. A total that a far side
    states is shown and never trusted, so a lie in it changes nothing.
    """

    def __init__(self, settings: Settings, pages: int) -> None:
        self._settings = settings
        self._pages = pages
        self._cursors: set[bytes] = set()
        self._contents: set[bytes] = set()
        self._repeats = 0

    def admit(self, external_ids: Sequence[str], cursor: str | None) -> None:
        """Take note of a page's records and of the cursor behind it. Raises Endless."""
        self._pages += 1
        if len(external_ids) > self._settings.page_records:
            raise Endless("PAGE_TOO_LARGE", f"A page had more than {self._settings.page_records} records.")
        if self._pages > self._settings.max_pages:
            raise Endless("TOO_MANY_PAGES", f"The platform gave more than {self._settings.max_pages} pages.")
        if cursor is None:
            return
        if not _new(self._cursors, cursor.encode("utf-8", "replace")):
            raise Endless("PAGES_IN_A_CIRCLE", "The platform's pages lead back to one that was read already.")
        if not external_ids:
            return
        content = "\0".join(external_ids).encode("utf-8", "replace")
        self._repeats = 0 if _new(self._contents, content) else self._repeats + 1
        if self._repeats >= self._settings.max_repeats:
            raise Endless("PAGES_REPEAT", "The platform gives the same pages again and again.")


def _new(seen: set[bytes], content: bytes) -> bool:
    size = len(seen)
    seen.add(blake2b(content, digest_size=8).digest())
    return len(seen) > size


@dataclass(frozen=True, slots=True)
class PageCount:
    """What one page brought; the run's counters grow by it. Several records may be parts of one listing."""

    records: int = 0
    listings: int = 0
    variants: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    drift_created: int = 0
    drift_updated: int = 0


def worth_looking(before: PageCount | None) -> bool:
    """Whether to ask for raw hashes before mapping a page: not while the pages before it brought only news."""
    return before is None or before.unchanged * 4 >= before.records


class Asked(msgspec.Struct, frozen=True):
    """A call to a platform as it may be shown, and the status of its answer."""

    method: str
    url: str
    body: str
    status: int


@dataclass(frozen=True, slots=True)
class ItemError:
    """A record that could not be read or stored; `asked` is the call that it came by."""

    external_id: str
    reason: str
    payload: bytes
    asked: Asked | None = None


def kept(error: ItemError) -> bytes:
    """The exchange as it is stored: NUL, the call as JSON, a line's end, then what was sent; without a call that alone.

    One column holds both because payloads without calls are there from before.
    """
    return error.payload if error.asked is None else b"\0%b\n%b" % (msgspec.json.encode(error.asked), error.payload)


def exchange(stored: bytes) -> tuple[Asked | None, bytes]:
    """The call, where it was kept, and what was sent."""
    if stored[:1] == b"\0":
        call, end, payload = stored[1:].partition(b"\n")
        with suppress(msgspec.MsgspecError):
            return (msgspec.json.decode(call, type=Asked), payload) if end else (None, stored)
    return None, stored


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a run goes: records per second so far, and the seconds it still needs if the total is known."""

    per_second: float | None
    eta_seconds: float | None


def pace(run: Run, now: datetime) -> Pace:
    """The run's rate since its start and what that means for its end."""
    if run.started_at is None:
        return Pace(None, None)
    seconds = ((run.finished_at or now) - run.started_at).total_seconds()
    if seconds <= 0 or run.records == 0:
        return Pace(None, None)
    rate = run.records / seconds
    left = None if run.total is None or run.finished_at else max(0, run.total - run.records) / rate
    return Pace(round(rate, 2), None if left is None else round(left, 1))


def missed(
    judged_before: datetime | None, changed: Sequence[tuple[str, bool]], times: Mapping[str, datetime | None]
) -> list[tuple[str, bool]]:
    """Those of the records that a full read created and updated which should have been as they are before it.

    `changed` are their ids and whether they are new, `times` say when the platform changed them last: what changed
    after the reads before this one is news and no drift. A platform that gives no times cannot be judged.
    """
    if judged_before is None:
        return []
    return [one for one in changed if (at := times.get(one[0])) is not None and at < judged_before]


def ended_early(run: Run) -> bool:
    """Whether a read of everything brought less than the platform said there is: its pages may have stopped short."""
    return run.mode == Mode.FULL and run.total is not None and run.records < run.total


def too_many(suspects: int, known: int, settings: Settings) -> bool:
    """Whether so many records are missing at once that a person has to look before they count as deleted."""
    return suspects > settings.absent_few and suspects > known * settings.absent_share


def is_poison(deaths: int, settings: Settings) -> bool:
    """Whether a run has ended its worker too often to be given to another one (RL-06)."""
    return deaths >= settings.max_deaths


def event_body(run: Run) -> dict[str, Any]:
    """The public face of a run in its events."""
    counters = ("pages", "records", "listings", "variants", "created", "updated", "unchanged", "failed")
    body: dict[str, Any] = {
        **({"dryRun": True} if run.dry_run else {}),
        "runId": run.id,
        "connectionId": run.connection_id,
        "provider": run.provider,
        "entity": run.entity,
        "mode": run.mode,
        "state": run.state,
        **{name: getattr(run, name) for name in counters},
    }
    if run.judged_before is not None:
        found = {"created": run.drift_created, "updated": run.drift_updated, "missing": run.drift_missing}
        body["drift"] = found
    if run.error_code is not None:
        body["error"] = {"code": run.error_code, "message": run.error_message}
    return body
