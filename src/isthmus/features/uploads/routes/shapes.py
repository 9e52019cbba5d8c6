"""What the routes of uploads show."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from isthmus.features.uploads.model.upload import Upload, pace
from isthmus.http import Answer
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, USER, permission

READ = permission(
    "uploads:read", "See uploads, their errors, mappings and the product sync settings", SUPER_ADMIN, TENANT_ADMIN, USER
)
MANAGE = permission("uploads:manage", "Upload files of products and set how products are synced", TENANT_ADMIN)


class UploadOut(Answer, frozen=True, kw_only=True):
    """A file of products. `rows` to `failed` count what has been worked off so far; `errors` are its row errors.

    `progress` goes from 0 to 1, over the bytes that have come and then over those that are worked off.
    """

    id: str
    name: str
    origin: str
    state: str
    mode: str
    format: str | None
    kind: str | None
    encoding: str | None
    currency: str
    size: int | None
    received: int
    digest: str | None
    phase: str
    rows: int
    products: int
    created: int
    updated: int
    unchanged: int
    failed: int
    errors: int
    progress: float | None
    per_second: float | None
    eta_seconds: float | None
    error: dict[str, Any] | None
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class UploadList(Answer, frozen=True, kw_only=True):
    """The newest uploads first."""

    items: list[UploadOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


class RowErrorOut(Answer, frozen=True, kw_only=True):
    """Why a row was refused: the line it begins at, and the cell where it was one."""

    line: int
    column: str
    value: str
    reason: str


class RowErrorList(Answer, frozen=True, kw_only=True):
    """Row errors in the order of the file."""

    items: list[RowErrorOut]
    limit: int
    has_more: bool
    offset: int | None = None
    next_offset: int | None = None
    next_cursor: str | None = None


_MADE = frozenset({"error", "progress", "per_second", "eta_seconds"})
_PLAIN = tuple(name for name in UploadOut.__struct_fields__ if name not in _MADE)


def upload_out(upload: Upload, now: datetime) -> UploadOut:
    """An upload as it is shown."""
    error = None if upload.error_code is None else {"code": upload.error_code, "message": upload.error_message}
    plain = {name: getattr(upload, name) for name in _PLAIN}
    speed = pace(upload, now)
    return UploadOut(
        **plain,
        error=error,
        progress=speed.progress,
        per_second=speed.per_second,
        eta_seconds=speed.eta_seconds,
    )


def row_error_out(row: Mapping[str, Any]) -> RowErrorOut:
    """A row error as it is shown."""
    return RowErrorOut(line=row["line"], column=row["column_name"], value=row["value"], reason=row["reason"])
