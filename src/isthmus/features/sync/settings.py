"""The knobs of sync runs."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How runs are held, retried and bounded."""

    lease: timedelta = field(
        default=timedelta(seconds=4), metadata={"help": "A worker that is silent for so long loses its run."}
    )
    heartbeat: timedelta = field(
        default=timedelta(seconds=1.5), metadata={"help": "How often a worker says that it still holds its run."}
    )
    turn: timedelta = field(
        default=timedelta(seconds=10),
        metadata={"help": "After so long a run gives its place to those that wait for one, and goes on after them."},
    )
    max_attempts: int = field(
        default=8, metadata={"help": "Failed tries without a page in between before a run is given up."}
    )
    backoff: timedelta = field(
        default=timedelta(seconds=5), metadata={"help": "The first wait after a failed try; each next one is doubled."}
    )
    max_backoff: timedelta = field(default=timedelta(minutes=10), metadata={"help": "The longest wait between tries."})
    max_deaths: int = field(
        default=3, metadata={"help": "A run that ends its worker so often without a page is set aside."}
    )
    max_pages: int = field(default=200_000, metadata={"help": "Most pages of one run."})
    max_repeats: int = field(
        default=25, metadata={"help": "A run ends when so many pages in a row were all seen before."}
    )
    page_records: int = field(default=50_000, metadata={"help": "Most records of one page."})
    mapping_seconds: float = field(
        default=2.0, metadata={"help": "Most seconds of processor time that a connector may take over one page."}
    )
    max_errors: int = field(default=10_000, metadata={"help": "Most item errors kept per run; all are counted."})
    payload_bytes: int = field(default=65_536, metadata={"help": "Most bytes kept of a record that cannot be read."})
    live_runs: int = field(default=100, metadata={"help": "Most runs of one tenant that may be under way."})
    keep_runs: timedelta = field(
        default=timedelta(days=90),
        metadata={
            "help": "How long ended runs and their item errors are kept, the newest of each kind always; 0 for ever."
        },
    )
    absent_share: float = field(
        default=0.05,
        metadata={"help": "When more than this share of a shop's records is missing at once, somebody has to approve."},
    )
    absent_few: int = field(default=5, metadata={"help": "So many missing records never need an approval."})
    stream_interval: timedelta = field(
        default=timedelta(seconds=1), metadata={"help": "How often a progress stream looks for news."}
    )
