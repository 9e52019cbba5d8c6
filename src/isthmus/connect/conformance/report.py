"""What the suite finds, and how far that proves anything: from samples, against an emulator, or live."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Evidence = Literal["samples", "emulated", "live"]


class Broken(Exception):
    """A promise of the connector contract does not hold; the message says which and how."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one connector. `detail` is empty where it passed, unless there is something worth telling."""

    check: str
    evidence: Evidence
    ok: bool
    detail: str = ""

    def __str__(self) -> str:
        verdict = "ok    " if self.ok else "BROKEN"
        return f"{verdict} [{self.evidence}] {self.check}" + (f": {self.detail}" if self.detail else "")


def require(holds: object, message: str) -> None:
    """Raises Broken with the message unless the promise holds."""
    if not holds:
        raise Broken(message)


def broken(findings: Iterable[Finding]) -> list[Finding]:
    """Those that did not pass."""
    return [finding for finding in findings if not finding.ok]
