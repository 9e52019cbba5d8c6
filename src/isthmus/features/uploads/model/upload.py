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


def opening_phase(mode: UploadMode) -> Phase:
    """The first pass over the file."""
    return Phase.WRITING if mode is UploadMode.BEST_EFFORT else Phase.CHECKING


def event_body(upload: Upload) -> dict[str, object]:
    """What events tell of an upload."""
    counts = ("rows", "products", "created", "updated", "unchanged", "failed")
    told = {"id": upload.id, "name": upload.name, "state": upload.state, "mode": upload.mode, "origin": upload.origin}
    return {**told, **{name: getattr(upload, name) for name in counts}}
