"""Who did what, and the proof that nobody changed it: the door of the audit log, which only reads the event log."""

from isthmus.features.audit.errors import NothingSealed
from isthmus.features.audit.model.checkpoints import Checkpoint, Fault, Head, Kind, read_head
from isthmus.features.audit.model.entries import Entry, Filters
from isthmus.features.audit.model.exports import Form
from isthmus.features.audit.service.reading import entries, export
from isthmus.features.audit.service.refusing import Refusals
from isthmus.features.audit.service.sealing import lag, seal
from isthmus.features.audit.service.signing import MadeKey, renew_key
from isthmus.features.audit.service.verifying import Verdict, head, verify
from isthmus.features.audit.settings import Settings

__all__ = [
    "Checkpoint",
    "Entry",
    "Fault",
    "Filters",
    "Form",
    "Head",
    "Kind",
    "MadeKey",
    "NothingSealed",
    "Refusals",
    "Settings",
    "Verdict",
    "entries",
    "export",
    "head",
    "lag",
    "read_head",
    "renew_key",
    "seal",
    "verify",
]
