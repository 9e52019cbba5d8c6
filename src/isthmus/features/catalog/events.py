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
    """A provider's override row changed."""

    type: ClassVar[str] = "provider.changed"
