"""The knobs of widgets."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How fresh a widget's data are, and how long what happened is shown."""

    fresh: timedelta = field(
        default=timedelta(seconds=30), metadata={"help": "How long records that were read live are shown again."}
    )
    stale: timedelta = field(
        default=timedelta(hours=24),
        metadata={"help": "How long they stand in for a platform that does not answer, marked as stale."},
    )
    deadline: timedelta = field(
        default=timedelta(seconds=8), metadata={"help": "How long a widget waits for the platform."}
    )
    cache_bytes: int = field(default=32 * 1024 * 1024, metadata={"help": "Most bytes of records that a process keeps."})
    activities_for: timedelta = field(
        default=timedelta(days=30), metadata={"help": "How long what happened to an integration is shown."}
    )
