"""The knobs of inbound webhooks."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How deliveries are taken in, worked off and kept."""

    body_bytes: int = field(default=1024 * 1024, metadata={"help": "Largest body that is taken in."})
    batch: int = field(default=64, metadata={"help": "Most deliveries that one commit makes durable."})
    linger: timedelta = field(
        default=timedelta(milliseconds=2), metadata={"help": "How long a commit waits for company."}
    )
    source_cache: timedelta = field(
        default=timedelta(seconds=5), metadata={"help": "How long a process goes on with what it knows of a source."}
    )
    first_look: timedelta = field(
        default=timedelta(seconds=3),
        metadata={"help": "How long a look for an address may take that nothing is known of."},
    )
    expected: int = field(
        default=50_000, metadata={"help": "Most addresses whose platform is known before anything comes in at them."}
    )
    overlap: timedelta = field(
        default=timedelta(hours=24), metadata={"help": "How long an old address or secret counts after a rotation."}
    )
    refused_kept: int = field(default=1_000, metadata={"help": "Most refused requests kept per source."})
    refused_for: timedelta = field(default=timedelta(days=1), metadata={"help": "How long refused requests are kept."})
    ledger_for: timedelta = field(default=timedelta(days=30), metadata={"help": "How long repeats are recognised."})
    log_for: timedelta = field(
        default=timedelta(days=30),
        metadata={"help": "How long deliveries are kept of tenants that chose no other number."},
    )
    retries: tuple[float, ...] = field(
        default=(5.0, 30.0, 120.0, 600.0, 1_800.0, 7_200.0, 21_600.0),
        metadata={"help": "Seconds between the attempts to work a delivery off; then it is a dead letter."},
    )
    pull_every: timedelta = field(
        default=timedelta(seconds=30), metadata={"help": "How often an empty queue of a platform is looked at."}
    )
    calls_at_once: int = field(default=16, metadata={"help": "Most calls of one registered function at a time."})
    sources: int = field(default=10_000, metadata={"help": "Most sources that one tenant may have."})
    handlers: int = field(default=50, metadata={"help": "Most handlers that one tenant may set up."})
    lease: timedelta = field(
        default=timedelta(seconds=60), metadata={"help": "After this a delivery whose worker died is taken up again."}
    )
    replays_per_second: int = field(
        # twice as many kept live deliveries beside them waiting by more than a tenth longer on two processors (RL-08)
        default=50,
        metadata={"help": "Most deliveries that a replay hands out a second."},
    )
    replays: int = field(default=5, metadata={"help": "Most replays of one tenant that may run at once."})
    replay_count: timedelta = field(
        default=timedelta(seconds=2),
        metadata={
            "help": "How long a replay's deliveries are counted; then the answer is that there are at least so many."
        },
    )
