"""The knobs of outbound webhooks."""

from dataclasses import dataclass, field
from datetime import timedelta

from isthmus.client.guard import check_allowed
from isthmus.kit import weakness


@dataclass(frozen=True, slots=True)
class Settings:
    """How messages are sent, held back and kept."""

    deadline: timedelta = field(
        default=timedelta(seconds=15), metadata={"help": "Total time of one delivery, from the dial to the last byte."}
    )
    slots: int = field(default=256, metadata={"help": "Most deliveries under way in one process."})
    waiting: int = field(default=2_000, metadata={"help": "Most due deliveries that a process holds in memory."})
    lease: timedelta = field(
        default=timedelta(seconds=15), metadata={"help": "A worker that is silent for so long loses its endpoints."}
    )
    heartbeat: timedelta = field(
        default=timedelta(seconds=5), metadata={"help": "How often a worker says that it still holds its endpoints."}
    )
    poll: timedelta = field(
        default=timedelta(seconds=10), metadata={"help": "How often an idle worker looks for work."}
    )
    allow_networks: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Networks or names that endpoints may be at, beside the public Internet.",
            "weak": weakness.opened("tenants can have this server call machines of its own network"),
        },
    )
    allow_http: bool = field(
        default=False,
        metadata={
            "help": "Whether endpoints may be at http addresses; for development only.",
            "weak": weakness.switched_on("what is sent can be read and changed by anybody on the way"),
        },
    )
    overlap: timedelta = field(
        default=timedelta(hours=24), metadata={"help": "How long a replaced secret still signs beside the new one."}
    )
    max_endpoints: int = field(default=10_000, metadata={"help": "Most endpoints of one tenant."})
    events_per_day: int = field(
        default=1_000_000, metadata={"help": "Most events of its own that one tenant may publish within a day."}
    )
    event_types: int = field(default=1_000, metadata={"help": "Most event types of its own that one tenant may have."})
    recoveries: int = field(default=100, metadata={"help": "Most recoveries of one tenant that may run at once."})
    slow_after: int = field(default=5, metadata={"help": "Failures in a row after which an endpoint is slowed."})
    park_after: int = field(
        default=20, metadata={"help": "Failures in a row after which an endpoint gets one delivery at a time."}
    )
    disable_after: timedelta = field(
        default=timedelta(days=5), metadata={"help": "Time of nothing but failures after which it is disabled."}
    )
    notice: timedelta = field(
        default=timedelta(hours=24),
        metadata={"help": "Least time between the notice that an endpoint fails and its being disabled."},
    )
    keep_days: int = field(
        default=30, metadata={"help": "Days that finished deliveries are kept of tenants that chose no other number."}
    )
    keep_most: int = field(default=90, metadata={"help": "Most days that a tenant may choose."})

    def __post_init__(self) -> None:
        """Refuse what could not be heeded, before anything is started with it."""
        check_allowed(self.allow_networks)
