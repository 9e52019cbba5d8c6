"""The knobs of actions on orders."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How actions are held, looked after and bounded."""

    lease: timedelta = field(
        default=timedelta(seconds=6), metadata={"help": "A worker that is silent for so long loses its action."}
    )
    heartbeat: timedelta = field(
        default=timedelta(seconds=2), metadata={"help": "How often a worker says that it still holds its action."}
    )
    settle: timedelta = field(
        default=timedelta(seconds=10),
        metadata={"help": "How long after a request without an answer the order is looked at, before anything else."},
    )
    max_attempts: int = field(
        default=8, metadata={"help": "Tries before an action is given up, or left to a person where it is in doubt."}
    )
    backoff: timedelta = field(
        default=timedelta(seconds=5), metadata={"help": "The first wait after a failed try; each next one is doubled."}
    )
    max_backoff: timedelta = field(default=timedelta(minutes=10), metadata={"help": "The longest wait between tries."})
    max_deaths: int = field(
        default=3, metadata={"help": "An action that ends its worker so often is left to a person."}
    )
    bulk: int = field(default=100, metadata={"help": "Most orders of one bulk action."})
    live: int = field(default=5_000, metadata={"help": "Most actions of one tenant that may be under way."})
    keep: timedelta = field(
        default=timedelta(days=180), metadata={"help": "How long ended actions are kept; 0 for ever."}
    )
