"""Facts about providers."""

from dataclasses import dataclass
from typing import ClassVar

from isthmus.kit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRegistered(Event):
    """The app credentials or the hosts of a provider were set; no credential is told, and how it was agreed on is."""

    type: ClassVar[str] = "provider.app_set"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChanged(Event):
    """A provider's facts changed; where it came as a folder, only what differs from it is told."""

    type: ClassVar[str] = "provider.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCreated(Event):
    """A provider was made at run time."""

    type: ClassVar[str] = "provider.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRemoved(Event):
    """A provider was taken out of the catalog."""

    type: ClassVar[str] = "provider.removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChangeProposed(Event):
    """A change that moves secrets or widens who sees a provider waits for a second person."""

    type: ClassVar[str] = "provider.change_proposed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChangeApproved(Event):
    """A second person agreed to a change of a provider, and it was made."""

    type: ClassVar[str] = "provider.change_approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChangeRejected(Event):
    """A change of a provider that waited for a second person was rejected, or taken back."""

    type: ClassVar[str] = "provider.change_rejected"
