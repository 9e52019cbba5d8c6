"""Knobs of the audit log's sealing."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from isthmus.http.addresses import is_loopback
from isthmus.kit.secret import Secret


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
    head_url: Secret | None = field(
        default=None,
        metadata={
            "help": "An https address outside that the newest checkpoint's number and hash are posted to as JSON; it "
            "may hold a secret."
        },
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

    def __post_init__(self) -> None:
        """Refuse an address that anybody on the way could read."""
        if self.head_url is None:
            return
        parts = urlsplit(self.head_url.reveal())
        if not parts.hostname or not (
            parts.scheme == "https" or (parts.scheme, is_loopback(parts.hostname)) == ("http", True)
        ):
            raise ValueError("head_url is not https, nor http on this machine")
