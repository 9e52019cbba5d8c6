"""Who did what: the door of the audit log, which only reads the committed event log."""

from isthmus.features.audit.model import Entry, Filters
from isthmus.features.audit.service import entries

__all__ = ["Entry", "Filters", "entries"]
