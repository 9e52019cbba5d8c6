"""Facts about listings and other records; written by sync runs, so public but not part of the audit log."""

from collections.abc import Mapping
from typing import Any, ClassVar

from isthmus.kit.events import Event

_TEXT: Mapping[str, Any] = {"type": "string"}
_LISTING: Mapping[str, Any] = dict.fromkeys(
    ("id", "productId", "connectionId", "provider", "externalId", "status"), _TEXT
)
_RECORD: Mapping[str, Any] = dict.fromkeys(
    ("id", "connectionId", "provider", "entity", "shardType", "externalId"), _TEXT
)


class ListingCreated(Event):
    """A listing was seen for the first time."""

    type: ClassVar[str] = "listing.created"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _LISTING


class ListingUpdated(Event):
    """A listing's canonical content changed."""

    type: ClassVar[str] = "listing.updated"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _LISTING


class ListingDeleted(Event):
    """The platform says that a listing is deleted; what was known of it stays readable."""

    type: ClassVar[str] = "listing.deleted"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _LISTING


class RecordCreated(Event):
    """A record of an entity was seen for the first time."""

    type: ClassVar[str] = "record.created"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _RECORD


class RecordUpdated(Event):
    """A record's mapped content changed."""

    type: ClassVar[str] = "record.updated"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _RECORD


class RecordDeleted(Event):
    """The far side no longer has the record; it is gone here too."""

    type: ClassVar[str] = "record.deleted"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False
    data: ClassVar[Mapping[str, Any]] = _RECORD


EMITS: tuple[type[Event], ...] = (
    ListingCreated,
    ListingUpdated,
    ListingDeleted,
    RecordCreated,
    RecordUpdated,
    RecordDeleted,
)
