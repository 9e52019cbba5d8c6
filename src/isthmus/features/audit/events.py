"""Facts about the sealing of the log, what was refused, and settings that weaken."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingWeakened(Event):
    """A setting of the deployment weakens security since this start: its value, why, and until when it holds."""

    type: ClassVar[str] = "setting.weakened"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingSafe(Event):
    """A setting that weakened security does so no more."""

    type: ClassVar[str] = "setting.safe"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRun(Event):
    """An operator ran a command on the machine that changes what is at work there: which, and on what."""

    type: ClassVar[str] = "operator.command_run"


EMITS = (SigningKeyMade, AccessRefused, SettingWeakened, SettingSafe, CommandRun)
