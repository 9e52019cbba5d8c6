"""The knobs of search."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How long a search waits, and how long its results can be paged through."""

    deadline: timedelta = field(
        default=timedelta(seconds=2),
        metadata={"help": "How long a search waits for each integration; whoever is slower is named in the answer."},
    )
    at_once: int = field(
        default=64, metadata={"help": "Most far sides that one search asks at the same time; others come after them."}
    )
    paged_for: timedelta = field(
        default=timedelta(minutes=15), metadata={"help": "How long the results of a search can be paged through."}
    )
