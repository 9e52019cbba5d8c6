"""Tree hashing against RFC 6962: known roots, and proofs of every leaf of trees of every shape."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.audit.model import merkle

#: The test vectors of the reference implementation of RFC 6962: inputs, and the root of the first n of them.
INPUTS = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def _slowly(leaves: list[bytes]) -> bytes:
    """The definition, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + _slowly(leaves[:split]) + _slowly(leaves[split:])).digest()


@pytest.mark.parametrize("count", ROOTS)
def test_AU_03_roots_are_those_of_rfc_6962(count: int) -> None:
    assert merkle.root([merkle.leaf(one) for one in INPUTS[:count]]).hex() == ROOTS[count]


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_AU_03_a_root_is_what_the_definition_says(entries: list[bytes]) -> None:
    leaves = [merkle.leaf(one) for one in entries]
    assert merkle.root(leaves) == _slowly(leaves)


@given(st.integers(1, 130), st.data())
def test_AU_04_the_proof_of_one_entry_is_log2_n_hashes(count: int, data: st.DataObject) -> None:
    leaves = [merkle.leaf(bytes([at])) for at in range(count)]
    at = data.draw(st.integers(0, count - 1))
    path = merkle.path(leaves, at)
    assert len(path) <= (count - 1).bit_length()
    root = merkle.root(leaves)
    assert merkle.root_of(leaves[at], at, count, path) == root
    assert merkle.root_of(merkle.leaf(b"another"), at, count, path) != root
    assert merkle.root_of(leaves[at], at, count, [*path, root]) is None
    if path:
        assert merkle.root_of(leaves[at], at, count, path[:-1]) is None
    if count > 1:
        assert merkle.root_of(leaves[at], (at + 1) % count, count, path) != root


def test_a_place_outside_the_tree_has_no_proof() -> None:
    leaves = [merkle.leaf(b"one")]
    assert merkle.root_of(leaves[0], 1, 1, []) is None
    with pytest.raises(IndexError):
        merkle.path(leaves, 1)


def test_AU_07_a_large_log_takes_one_hash_for_each_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    leaves = [merkle.leaf(number.to_bytes(4, "big")) for number in range(10_000)]
    made = 0
    real = hashlib.sha256

    def counting(text: bytes) -> "hashlib._Hash":
        nonlocal made
        made += 1
        return real(text)

    monkeypatch.setattr("isthmus.features.audit.model.merkle.hashlib.sha256", counting)
    merkle.root(leaves)
    assert made == len(leaves) - 1
