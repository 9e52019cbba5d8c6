"""Who did what, and the proof that nobody changed it: the door of the audit log, which only reads the event log."""

from isthmus.features.audit.errors import EntryNotFound, NotAsSealed, NothingSealed, NotSealed
from isthmus.features.audit.model.checkpoints import Checkpoint, Fault, Head, Kind, read_head
from isthmus.features.audit.model.entries import Entry, Filters
from isthmus.features.audit.model.exports import Form
from isthmus.features.audit.model.proofs import Proof, fault_of, read_proof, told
from isthmus.features.audit.model.weaknesses import Standing, Weakness, Weaknesses, standing
from isthmus.features.audit.service.commanding import note_command
from isthmus.features.audit.service.proving import prove, public_keys
from isthmus.features.audit.service.reading import entries, export
from isthmus.features.audit.service.refusing import Refusals
from isthmus.features.audit.service.sealing import lag, seal
from isthmus.features.audit.service.signing import MadeKey, renew_key
from isthmus.features.audit.service.verifying import Verdict, head, verify
from isthmus.features.audit.service.weakening import note_weaknesses, standings, weakened
from isthmus.features.audit.settings import Settings

__all__ = [
    "Checkpoint",
    "Entry",
    "EntryNotFound",
    "Fault",
    "Filters",
    "Form",
    "Head",
    "Kind",
    "MadeKey",
    "NotAsSealed",
    "NotSealed",
    "NothingSealed",
    "Proof",
    "Refusals",
    "Settings",
    "Standing",
    "Verdict",
    "Weakness",
    "Weaknesses",
    "entries",
    "export",
    "fault_of",
    "head",
    "lag",
    "note_command",
    "note_weaknesses",
    "prove",
    "public_keys",
    "read_head",
    "read_proof",
    "renew_key",
    "seal",
    "standing",
    "standings",
    "told",
    "verify",
    "weakened",
]
