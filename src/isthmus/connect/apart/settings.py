"""How connectors of third parties are kept apart from the platform's process (security.md PL-05)."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

#: Every third-party connector that is allowed.
EVERY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which connectors, behind which walls, within which bounds."""

    connectors: tuple[str, ...] = field(
        default=(),
        metadata={
            "description": "Third-party connectors, as name==version, that run in a process of their own without "
            "network, files or keys; * for all that are allowed. Empty: they are code in our process."
        },
    )
    walls: Literal["kernel", "language"] = field(
        default="kernel",
        metadata={
            "description": "What must hold such a process: kernel (Linux: system calls and files are refused by the "
            "kernel, else nothing starts), or language (Python's own hooks will do: which stop mistakes only)."
        },
    )
    memory_mb: int = field(default=512, metadata={"description": "Memory of such a process, in MiB, at most."})
    call_seconds: timedelta = field(
        default=timedelta(seconds=300),
        metadata={"description": "How long one call of it may take in all, with the requests that it asks for."},
    )
    silent_seconds: timedelta = field(
        default=timedelta(seconds=20),
        metadata={"description": "How long it may compute between two requests of a call before it is ended."},
    )
    pure_seconds: timedelta = field(
        default=timedelta(seconds=5),
        metadata={
            "description": "How long it may take to map one record or to judge one answer; we wait for that at once."
        },
    )

    def __post_init__(self) -> None:
        if self.memory_mb < 64:
            raise ValueError("apart.memory_mb is 64 or more")
        if min(self.call_seconds, self.silent_seconds, self.pure_seconds) <= timedelta():
            raise ValueError("the seconds of apart are above zero")

    def wants(self, label: str) -> bool:
        """Whether the connector of this distribution, `name==version`, runs in a process of its own."""
        return EVERY in self.connectors or label in self.named()

    def named(self) -> frozenset[str]:
        """Those that are named, without the digests that the list of allowed ones may have."""
        return frozenset(one.partition("@")[0] for one in self.connectors if one != EVERY)
