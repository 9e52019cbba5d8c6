"""Facts about listings; written by sync runs, so public but not part of the audit log."""

from typing import ClassVar

from isthmus.kit.events import Event


class ListingCreated(Event):
    """A listing was seen for the first time."""

    type: ClassVar[str] = "listing.created"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


class ListingUpdated(Event):
    """A listing's canonical content changed."""

    type: ClassVar[str] = "listing.updated"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


class ListingDeleted(Event):
    """The platform says that a listing is deleted; what was known of it stays readable."""

    type: ClassVar[str] = "listing.deleted"
    public: ClassVar[bool] = True
    audited: ClassVar[bool] = False


EMITS: tuple[type[Event], ...] = (ListingCreated, ListingUpdated, ListingDeleted)
