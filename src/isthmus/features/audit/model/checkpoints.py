"""Signed checkpoints over the log, and what a changed log looks like against them (security.md AU-03; pure)."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from isthmus.features.audit.model import merkle
from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret

#: What stands before the first checkpoint.
NOTHING = bytes(32)
_PURPOSE = "isthmus audit checkpoint 1"


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of the log as it is sealed: its place, whose it is, and every column in a fixed form."""

    xid: int
    id: str
    tenant_id: str
    entry: bytes

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in the order of the log."""
        return self.xid, self.id

    @property
    def leaf(self) -> bytes:
        """What commits to it."""
        return merkle.leaf(self.entry)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the log that has no end yet: what stands behind a place, in one epoch."""

    epoch: int = 0
    #: The last id of the epochs before; the numbers of transactions began anew behind it.
    floor: str = ""
    after: tuple[int, str] = (0, "")
    #: Entries that a restore brought: numbered by another database and final, whatever goes on in this one.
    restored: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What a database holds whose numbers of transactions are behind those of the log."""

    #: Whether entries of before the restore are not sealed yet.
    unsealed: bool
    #: The greatest id of those entries.
    top: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signed statement about a stretch of the log, bound to the one before it."""

    number: int
    made_at: datetime
    first: tuple[int, str]
    last: tuple[int, str]
    leaves: tuple[bytes, ...]
    tenants: tuple[str, ...]
    previous: bytes
    key_id: str
    root: bytes = b""
    signature: bytes = b""
    epoch: int = 0
    floor: str = ""

    @property
    def owners(self) -> str:
        """What commits to whose the entries are, without telling it."""
        return hashlib.sha256("\n".join(self.tenants).encode()).hexdigest()

    @property
    def said(self) -> list[object]:
        """What the statement says, in its order; the epoch only where there is more than one."""
        parts: list[object] = [
            _PURPOSE,
            self.number,
            self.made_at.isoformat(),
            list(self.first),
            list(self.last),
            len(self.leaves),
            self.root.hex(),
            self.owners,
            self.previous.hex(),
            self.key_id,
        ]
        return [*parts, self.epoch, self.floor] if self.epoch else parts

    @property
    def statement(self) -> bytes:
        """What is signed."""
        return written(self.said)

    @property
    def digest(self) -> bytes:
        """What the next one names as its previous."""
        return hashlib.sha256(self.statement + self.signature).digest()


@dataclass(frozen=True, slots=True)
class Head:
    """The newest checkpoint by number and hash: kept elsewhere, it shows that nothing was cut off."""

    number: int
    digest: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.digest.hex()}"

    @property
    def parted(self) -> str:
        """The same for logs, where one long word of hexadecimal digits is hidden as a key may be."""
        return f"{self.number}:{self.digest.hex('.', 8)}"


class Kind(StrEnum):
    """What was done to the log."""

    CHANGED = "changed"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT_OFF = "cut off"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where the log is not what was sealed."""

    kind: Kind
    checkpoint: int
    #: Counted from 0 within the checkpoint; None where the checkpoint itself is wrong.
    position: int | None
    #: The entry, where one is there.
    event_id: str | None = None

    def __str__(self) -> str:
        where = "" if self.position is None else f", entry {self.position + 1}"
        named = f" ({self.event_id})" if self.event_id else ""
        return f"checkpoint {self.checkpoint}{where}: {self.kind}{named}"


def written(said: Sequence[object]) -> bytes:
    """A statement as it is signed."""
    return json.dumps(said, separators=(",", ":")).encode()


def next_stretch(before: Checkpoint | None, next_xid: int, restored: Restored | None) -> Stretch:
    """Where sealing goes on. `restored` is known where the last checkpoint lies in the database's own future (AU-05).

    What came with the restore is sealed first; then an epoch begins, chained to all before it.
    """
    if before is None:
        return Stretch()
    if before.last[0] < next_xid or restored is None:
        return Stretch(before.epoch, before.floor, before.last)
    if restored.unsealed:
        return Stretch(before.epoch, before.floor, before.last, restored=True)
    return Stretch(before.epoch + 1, restored.top)


def stretch_of(one: Checkpoint, before: Checkpoint | None) -> Stretch:
    """The stretch that a checkpoint's entries stand in."""
    follows = before is not None and before.epoch == one.epoch
    return Stretch(one.epoch, one.floor, before.last if before is not None and follows else (0, ""))


def read_head(text: str) -> Head:
    """A head as `str()` or `parted` wrote it, or a line that begins with one. Raises Invalid."""
    word = text.strip().split(" ")[0]
    number, _, digest = word.partition(":")
    try:
        head = Head(int(number), bytes.fromhex(digest.replace(".", "")))
    except ValueError:
        head = Head(0, b"")
    if head.number < 1 or len(head.digest) != merkle.SIZE:
        raise Invalid("A head of the log is a number, a colon and 64 hexadecimal digits, as `isthmus audit head` says.")
    return head


def public_of(private: Secret) -> bytes:
    """The public half of a signing key."""
    return _key(private).public_key().public_bytes_raw()


def signed(draft: Checkpoint, private: Secret) -> Checkpoint:
    """The checkpoint with its root and signature."""
    rooted = replace(draft, root=merkle.root(draft.leaves))
    return replace(rooted, signature=_key(private).sign(rooted.statement))


def sealed(
    rows: Sequence[Row], before: Checkpoint | None, made_at: datetime, key_id: str, stretch: Stretch
) -> Checkpoint:
    """The unsigned checkpoint of these rows, behind the one before; there is at least one row."""
    return Checkpoint(
        number=before.number + 1 if before else 1,
        made_at=made_at,
        first=rows[0].place,
        last=rows[-1].place,
        leaves=tuple(row.leaf for row in rows),
        tenants=tuple(row.tenant_id for row in rows),
        previous=before.digest if before else NOTHING,
        key_id=key_id,
        epoch=stretch.epoch,
        floor=stretch.floor,
    )


def holds(one: Checkpoint, before: Checkpoint | None, publics: Mapping[str, bytes]) -> bool:
    """Whether a checkpoint is signed with one of our keys, holds together, and follows the one before."""
    public = publics.get(one.key_id)
    if public is None or not one.leaves or len(one.leaves) != len(one.tenants):
        return False
    behind = _is_behind(one, before)
    chained = one.previous == (before.digest if before else NOTHING)
    if not behind or not chained or one.first > one.last or merkle.root(one.leaves) != one.root:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(one.signature, one.statement)
    except InvalidSignature:
        return False
    return True


def _is_behind(one: Checkpoint, before: Checkpoint | None) -> bool:
    """Whether its entries come later: in the same epoch, or as the first of the next one."""
    if before is None:
        return one.epoch == 0 and not one.floor
    if one.epoch == before.epoch:
        return one.floor == before.floor and before.last < one.first
    return one.epoch == before.epoch + 1 and one.floor > before.floor


def compared(one: Checkpoint, rows: Sequence[Row], erased: Collection[str]) -> list[Fault]:
    """How the rows of a checkpoint's stretch differ from what was sealed; `erased` tenants' rows may be gone."""
    present = {row.leaf for row in rows}
    kept = [
        leaf for leaf, tenant in zip(one.leaves, one.tenants, strict=True) if leaf in present or tenant not in erased
    ]
    return [] if kept == [row.leaf for row in rows] else _differences(one, kept, rows)


def _differences(one: Checkpoint, kept: Sequence[bytes], rows: Sequence[Row]) -> list[Fault]:
    present, known = {row.leaf for row in rows}, set(kept)
    places = {leaf: at for at, leaf in enumerate(one.leaves)}
    found: list[Fault] = []
    at = beside = 0
    while at < len(kept) or beside < len(rows):
        leaf = kept[at] if at < len(kept) else None
        row = rows[beside] if beside < len(rows) else None
        lost, strange = leaf is not None and leaf not in present, row is not None and row.leaf not in known
        position = places[leaf] if leaf is not None else len(one.leaves)
        event_id = row.id if row else None
        if lost and strange:
            found.append(Fault(Kind.CHANGED, one.number, position, event_id))
        elif lost:
            found.append(Fault(Kind.DELETED, one.number, position))
        elif strange:
            found.append(Fault(Kind.INSERTED, one.number, position, event_id))
        elif row is None or leaf != row.leaf:
            found.append(Fault(Kind.REORDERED, one.number, position, event_id))
        at += lost or not strange
        beside += strange or not lost
    return found


def _key(private: Secret) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private.reveal()))
