"""The proof of one entry: hashes that lead to a signed checkpoint, checked anywhere (security.md AU-04; pure)."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from isthmus.features.audit.model import merkle
from isthmus.features.audit.model.checkpoints import Checkpoint, Head, written
from isthmus.kit.errors import Invalid

#: Places of what is needed in a checkpoint's statement.
_NUMBER, _COUNT, _ROOT = 1, 5, 6
_SHORTEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """An entry, and what shows without any database that it stands in the log as it was sealed."""

    entry_id: str
    #: The entry as it is sealed; None where it holds what nobody is shown, and the leaf alone is proved.
    entry: str | None
    leaf: bytes
    index: int
    steps: tuple[bytes, ...]
    #: What the checkpoint says of itself, as it is signed.
    said: tuple[object, ...]
    signature: bytes
    key_id: str
    public: bytes

    @property
    def head(self) -> Head:
        """The checkpoint, as heads of the log name it."""
        number = self.said[_NUMBER]
        digest = hashlib.sha256(written(self.said) + self.signature).digest()
        return Head(number if isinstance(number, int) else 0, digest)


def prove(entry: bytes, entry_id: str, one: Checkpoint, public: bytes, *, shown: bool) -> Proof | None:
    """The proof of an entry in its checkpoint; None when the checkpoint does not hold it as it is."""
    leaf = merkle.leaf(entry)
    if leaf not in one.leaves:
        return None
    index = one.leaves.index(leaf)
    return Proof(
        entry_id=entry_id,
        entry=entry.decode() if shown else None,
        leaf=leaf,
        index=index,
        steps=tuple(merkle.path(one.leaves, index)),
        said=tuple(one.said),
        signature=one.signature,
        key_id=one.key_id,
        public=public,
    )


def fault_of(proof: Proof, public: bytes | None = None) -> str | None:
    """What is wrong with a proof; None when it holds. public: the key that is known from elsewhere."""
    if public is not None and public != proof.public:
        return "it is signed with another key than the one that you know"
    if proof.entry is not None and merkle.leaf(proof.entry.encode()) != proof.leaf:
        return "the entry is not the one that was sealed"
    count, root = proof.said[_COUNT], proof.said[_ROOT]
    if not isinstance(count, int) or not isinstance(root, str):
        return "the checkpoint is not one"
    led = merkle.root_of(proof.leaf, proof.index, count, proof.steps)
    if led is None or led.hex() != root:
        return "the hashes do not lead to the checkpoint"
    try:
        Ed25519PublicKey.from_public_bytes(proof.public).verify(proof.signature, written(proof.said))
    except (InvalidSignature, ValueError):
        return "the checkpoint is not signed with this key"
    return None


def told(proof: Proof) -> dict[str, Any]:
    """A proof as JSON; `read_proof` takes it back."""
    return {
        "entryId": proof.entry_id,
        "entry": proof.entry,
        "leaf": proof.leaf.hex(),
        "index": proof.index,
        "steps": [step.hex() for step in proof.steps],
        "checkpoint": list(proof.said),
        "signature": proof.signature.hex(),
        "keyId": proof.key_id,
        "publicKey": proof.public.hex(),
    }


class _Told(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A proof as JSON has it."""

    entry_id: str
    entry: str | None
    leaf: str
    index: int
    steps: list[str]
    checkpoint: Annotated[list[int | str | list[int | str]], msgspec.Meta(min_length=_SHORTEST)]
    signature: str
    key_id: str
    public_key: str


def read_proof(given: object) -> Proof:
    """A proof as `told` told it. Raises Invalid for what is none."""
    try:
        read = msgspec.convert(given, _Told)
        return Proof(
            entry_id=read.entry_id,
            entry=read.entry,
            leaf=bytes.fromhex(read.leaf),
            index=read.index,
            steps=tuple(bytes.fromhex(step) for step in read.steps),
            said=tuple(read.checkpoint),
            signature=bytes.fromhex(read.signature),
            key_id=read.key_id,
            public=bytes.fromhex(read.public_key),
        )
    except (msgspec.ValidationError, ValueError):
        raise Invalid("This is no proof of an entry, as `isthmus audit prove` or the API gives it.") from None
