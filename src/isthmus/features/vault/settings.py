"""Knobs of the vault."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How long keys live, in use and in memory (security.md 0.1, VA-07, VA-13)."""

    seal_limit: int = field(
        default=2**28, metadata={"help": "Seals under one data key before a new one takes over (nonce collisions)."}
    )
    data_key_age: timedelta = field(
        default=timedelta(days=365), metadata={"help": "Age at which a new data key takes over."}
    )
    seal_block: int = field(
        default=4096, metadata={"help": "Seals that a process counts ahead in one statement, per data key."}
    )
    cached_for: timedelta = field(
        default=timedelta(minutes=5), metadata={"help": "How long an unwrapped data key may stay in memory."}
    )
    cached_keys: int = field(default=5_000, metadata={"help": "Most unwrapped data keys in memory at a time."})
    active_check: timedelta = field(
        default=timedelta(seconds=5),
        metadata={"help": "How long a process goes on sealing before it asks again which data key is the current one."},
    )
    batch: int = field(default=500, metadata={"help": "Rows of one transaction while keys are rotated."})
