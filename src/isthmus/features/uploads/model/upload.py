"""An upload and its states; what a page of it brought."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec


class State(StrEnum):
    """Where an upload stands."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class UploadMode(StrEnum):
    """What happens to the good rows of a file that has bad ones: they are written, nothing is, or nothing ever is."""

    BEST_EFFORT = "best_effort"
    ALL_OR_NOTHING = "all_or_nothing"
    CHECK = "check"


class Phase(StrEnum):
    """Whether a pass over the file only reads, or writes."""

    CHECKING = "checking"
    WRITING = "writing"


OPEN: Final = frozenset({State.RECEIVING, State.QUEUED, State.RUNNING, State.CANCELLING})


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One file of products, by the columns of its table."""

    id: str
    name: str
    origin: str
    state: State
    mode: UploadMode
    format: str | None
    mapping: dict[str, Any] | None
    currency: str
    decimal_sign: str
    size: int | None
    received: int
    digest: str | None
    kind: str | None
    encoding: str | None
    phase: Phase
    place: int
    line: int
    share: float | None = None
    rows: int
    products: int
    created: int
    updated: int
    unchanged: int
    failed: int
    errors: int
    fence: int
    deaths: int
    error_code: str | None
    error_message: str | None
    requested_by: str
    created_at: datetime
    changed_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class UploadFilter:
    """Which uploads a caller wants; None means any. Times are those of asking, `until` excluded."""

    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None


COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(Upload))


@dataclass(frozen=True, slots=True)
class Step:
    """What one page brought, and where the next one begins."""

    place: int
    line: int
    rows: int = 0
    products: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    #: How much of the file the phase has done behind it.
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is done, from 0 to 1; rows a second since the start; and the seconds that are left."""

    progress: float | None
    per_second: float | None
    eta_seconds: float | None


def pace(upload: Upload, now: datetime) -> Pace:
    """How an upload goes on, by the bytes of the file that are done; all-or-nothing goes over the file twice."""
    if upload.state is State.RECEIVING:
        return Pace(round(upload.received / upload.size, 4) if upload.size else None, None, None)
    passes = 2 if upload.mode is UploadMode.ALL_OR_NOTHING else 1
    before = passes - 1 if upload.phase is Phase.WRITING else 0
    share = upload.share or 0.0
    progress = 1.0 if upload.state is State.SUCCEEDED else (before + share) / passes
    if upload.started_at is None:
        return Pace(0.0, None, None)
    seconds = ((upload.finished_at or now) - upload.started_at).total_seconds()
    if seconds <= 0 or progress <= 0 or upload.rows == 0:
        return Pace(round(progress, 4), None, None)
    # The rows of a pass that is over are those of this one, as far as it has got, made whole.
    rows = upload.rows if not before or not share else upload.rows * (before + share) / share
    left = None if upload.finished_at else round(seconds * (1 - progress) / progress, 1)
    return Pace(round(progress, 4), round(rows / seconds, 2), left)


def opening_phase(mode: UploadMode) -> Phase:
    """The first pass over the file."""
    return Phase.WRITING if mode is UploadMode.BEST_EFFORT else Phase.CHECKING


def event_body(upload: Upload) -> dict[str, object]:
    """What events tell of an upload."""
    counts = ("rows", "products", "created", "updated", "unchanged", "failed")
    told = {"id": upload.id, "name": upload.name, "state": upload.state, "mode": upload.mode, "origin": upload.origin}
    return {**told, **{name: getattr(upload, name) for name in counts}}
