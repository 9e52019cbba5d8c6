"""Facts about providers."""

from dataclasses import dataclass
from typing import ClassVar

from isthmus.kit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRegistered(Event):
    """The app credentials or the hosts of a provider were set; neither value is told."""

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
