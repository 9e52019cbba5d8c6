"""The knobs of the proxy."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how much goes through."""

    deadline: timedelta = field(
        default=timedelta(seconds=60), metadata={"help": "Longest time a proxied call may take, waits included."}
    )
    reply_bytes: int = field(default=64 * 1024 * 1024, metadata={"help": "Largest reply that is passed on."})
    recheck: timedelta = field(
        default=timedelta(seconds=3),
        metadata={"help": "How long a process goes on with what it knows of a connection; a revocation counts then."},
    )
    at_once: int = field(
        default=64, metadata={"help": "Most calls of one tenant through the proxy that a process has under way."}
    )
    kept: int = field(default=1_000, metadata={"help": "Most connections that a process keeps ready."})
