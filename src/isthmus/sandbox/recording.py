"""What the sandbox saw: every request with its verdict, readable by tests and over HTTP (reference 12.1, Recording)."""

from collections import Counter, deque
from dataclasses import dataclass, field

_KEEP = 10_000
#: Parameters that carry secrets; their values are never recorded.
_MASKED = frozenset({"access_token", "refresh_token", "sign", "code", "client_secret", "resend_code"})


@dataclass(slots=True)
class Record:
    """One request: who called, what was asked, how it ended and which rule it broke, if any."""

    number: int
    at: str
    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    app: str | None = None
    seller: str | None = None
    #: "ok", "bad", or None where the platform signs nothing or the check was not reached.
    signature: str | None = None
    rule: str | None = None
    page: str | None = None
    rows: int | None = None
    fault: str | None = None
    status: int | None = None


class Recording:
    """The last 10,000 requests and counts of what happened since the start."""

    def __init__(self) -> None:
        self.requests: deque[Record] = deque(maxlen=_KEEP)
        #: "requests", "exchange", "refresh", "throttled", "faults" and one entry per broken rule, `rule:NAME`.
        self.counts: Counter[str] = Counter()
        self._number = 0

    def blank(self) -> Record:
        """A record that is not kept, for requests to the control address."""
        return Record(0, "", "", "")

    def open(self, at: str, method: str, path: str, query: list[tuple[str, str]]) -> Record:
        """Begin the record of a request; secrets in the query are masked."""
        self._number += 1
        self.counts["requests"] += 1
        shown = [(key, "***" if key in _MASKED else value) for key, value in query]
        record = Record(self._number, at, method, path, shown)
        self.requests.append(record)
        return record

    def refused(self, record: Record, rule: str) -> None:
        """Note the rule that a request broke."""
        record.rule = rule
        self.counts[f"rule:{rule}"] += 1

    def clear(self) -> None:
        """Forget the requests and the counts."""
        self.requests.clear()
        self.counts.clear()
