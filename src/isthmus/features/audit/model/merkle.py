"""Merkle tree hashing of RFC 6962 section 2.1: leaves, roots, and the proof of one leaf (pure)."""

import hashlib
from collections.abc import Sequence

SIZE = 32


def leaf(entry: bytes) -> bytes:
    """The hash of one entry; told apart from an inner node by its first byte."""
    return hashlib.sha256(b"\x00" + entry).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's hash, that of the empty text when there are no leaves."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        # pairs from the left; an odd one out goes up as it is, which is the RFC's split at the largest power of two
        level = [*map(_node, level[::2], level[1::2]), *level[len(level) & ~1 :]]
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from a leaf to the root, the lowest first: at most log2 of the number of leaves.

    Raises IndexError when there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    level, at, found = list(leaves), index, []
    while len(level) > 1:
        beside = at ^ 1
        if beside < len(level):
            found.append(level[beside])
        level = [*map(_node, level[::2], level[1::2]), *level[len(level) & ~1 :]]
        at //= 2
    return found


def root_of(one: bytes, index: int, count: int, steps: Sequence[bytes]) -> bytes | None:
    """The root that a leaf and its path lead to; None when the path cannot be one of a tree of that size."""
    if not 0 <= index < count:
        return None
    left, at, last = list(steps), index, count - 1
    while last:
        if at & 1 or at < last:
            if not left:
                return None
            beside = left.pop(0)
            one = _node(beside, one) if at & 1 else _node(one, beside)
        at, last = at // 2, last // 2
    return None if left else one


def split(leaves: bytes) -> list[bytes]:
    """Hashes that were kept one behind the other."""
    return [leaves[at : at + SIZE] for at in range(0, len(leaves), SIZE)]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
