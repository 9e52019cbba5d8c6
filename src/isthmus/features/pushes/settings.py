"""The knobs of pushes."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How edits are sent."""

    at_once: int = field(
        default=32, metadata={"help": "How many writing calls of one connection are under way at a time."}
    )
    taken: int = field(default=200, metadata={"help": "How many edits a worker takes in one go."})
    lease: timedelta = field(
        # what a killed worker held waits for so long; the calls that begin in its first half end within the second
        default=timedelta(seconds=75),
        metadata={"help": "How long a worker may hold the edits that it took; at least two calls' deadlines."},
    )
    fresh: timedelta = field(
        default=timedelta(minutes=2),
        metadata={"help": "An edit that waited for longer is sent only after the far side was read anew."},
    )
    keep: timedelta = field(
        default=timedelta(days=90), metadata={"help": "How long finished pushes and decided conflicts are kept."}
    )
