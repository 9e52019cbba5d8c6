"""What a store of records tells those who hand records over: what it knows, what it refused, what it wrote."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec


class Item(Protocol):
    """One record ready to be compared: checked, encoded and hashed outside of any transaction."""

    @property
    def external_id(self) -> str:
        """The platform's id of the canonical record."""
        ...

    @property
    def whole(self) -> bool:
        """False for one of several parts that the platform hands over one by one."""
        ...

    @property
    def changed_at(self) -> datetime | None:
        """When the record last changed, by the platform's clock; None where it does not say."""
        ...


class Origin(Protocol):
    """Where records come from: a connection, as far as a store needs to know it."""

    @property
    def id(self) -> str: ...

    @property
    def provider(self) -> str: ...


class Known(msgspec.Struct, frozen=True, gc=False):
    """Enough of a stored record to tell that the same bytes have come again; `parts` are its variants or lines."""

    raw_hash: bytes
    parts: int


class Alive(msgspec.Struct, frozen=True, gc=False):
    """A stored record that is not deleted."""

    external_id: str
    id: str


class Unstorable(Exception):
    """A canonical record that must not be stored; `reason` says why in a sentence a merchant can read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that was not written, and why."""

    external_id: str
    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Written:
    """What one write did; `parts` counts those of every item that was handed over, `refused` those left out.

    `unchanged` counts also what the store knew in a newer state: a record never goes back in time.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    parts: int = 0
    refused: tuple[Refused, ...] = ()
    #: Which records differed, by their external ids; True for those that were not known.
    changed: tuple[tuple[str, bool], ...] = ()
