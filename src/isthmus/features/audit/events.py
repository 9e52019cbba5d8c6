"""Facts about the sealing of the log."""

from dataclasses import dataclass
from typing import ClassVar

from isthmus.kit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyMade(Event):
    """Checkpoints of the audit log are signed with a new key from here on; older ones stay checkable."""

    type: ClassVar[str] = "audit.signing_key_made"


EMITS = (SigningKeyMade,)
