"""A field that both sides changed, and how it was decided."""

from dataclasses import dataclass
from datetime import datetime

from isthmus.connect.edits import EditValue
from isthmus.features.pushes.model.edits import Place
from isthmus.features.pushes.model.merging import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConflict:
    """One conflict and, once decided, its decision."""

    id: str
    edit_id: str
    connection_id: str
    place: Place
    base: tuple[EditValue] | None
    ours: EditValue
    theirs: EditValue
    state: str
    rule: Rule
    winner: str | None
    value: EditValue
    automatic: bool
    decided_by: str | None
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class ConflictFilter:
    """Which conflicts a caller wants; None means any."""

    connection_id: str | None = None
    state: str | None = None
    field: str | None = None
    listing_id: str | None = None
