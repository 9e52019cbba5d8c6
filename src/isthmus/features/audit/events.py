"""Facts about the sealing of the log, and what was refused."""

from dataclasses import dataclass
from typing import ClassVar

from isthmus.kit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyMade(Event):
    """Checkpoints of the audit log are signed with a new key from here on; older ones stay checkable."""

    type: ClassVar[str] = "audit.signing_key_made"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRefused(Event):
    """Somebody was refused what they asked for: the method and route, why, and how often in a few seconds."""

    type: ClassVar[str] = "access.refused"


EMITS = (SigningKeyMade, AccessRefused)
