"""Knobs of the audit log's sealing."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """How often the log is sealed, and where its newest checkpoint is told."""

    gather: timedelta = field(
        default=timedelta(seconds=1), metadata={"help": "How long new entries gather before a checkpoint seals them."}
    )
    batch: int = field(default=10_000, metadata={"help": "Most entries of one checkpoint."})
    head_file: Path | None = field(
        default=None,
        metadata={"help": "A file outside the database that each new checkpoint's number and hash are added to."},
    )
    head_log: timedelta = field(
        default=timedelta(hours=1), metadata={"help": "How often the newest checkpoint's hash goes to the log at most."}
    )
    late: timedelta = field(
        default=timedelta(minutes=1),
        metadata={"help": "How old an unsealed entry may be before the log warns that sealing is held back."},
    )
    refusals: timedelta = field(
        default=timedelta(seconds=5),
        metadata={"help": "How long refusals of a kind are counted before they are kept."},
    )
