"""The knobs of schedules."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How often connections are read when nobody has said anything else."""

    automatic: bool = field(
        default=True, metadata={"help": "Whether a new connection gets schedules for all that it offers."}
    )
    products: timedelta = field(default=timedelta(minutes=30), metadata={"help": "How often products are read."})
    orders: timedelta = field(default=timedelta(minutes=5), metadata={"help": "How often orders are read."})
    others: timedelta = field(default=timedelta(hours=1), metadata={"help": "How often other records are read."})
    jitter: timedelta = field(
        default=timedelta(seconds=60), metadata={"help": "Over how long the starts of new schedules are spread."}
    )
    reconcile: timedelta = field(
        default=timedelta(days=1),
        metadata={"help": "How often everything is read, to find what changes alone did not tell; 0 for never."},
    )
    schedules: int = field(default=50_000, metadata={"help": "Most schedules that one tenant may have."})
