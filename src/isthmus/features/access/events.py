"""Facts about tenants."""

from dataclasses import dataclass
from typing import ClassVar

from isthmus.kit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantCreated(Event):
    """A merchant has a place of its own."""

    type: ClassVar[str] = "tenant.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStatusChanged(Event):
    """A tenant was suspended or let in again."""

    type: ClassVar[str] = "tenant.status_changed"
