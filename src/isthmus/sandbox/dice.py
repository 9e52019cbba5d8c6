"""Repeatable draws: the same seed and key always give the same values, on every machine and Python."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_REFILL = 1 << 64
_ALPHANUMERIC = "0123456789abcdefghijklmnopqrstuvwxyz"


class Dice:
    """An endless row of draws that depends on its key alone."""

    __slots__ = ("_bits", "_key", "_turn")

    def __init__(self, *key: object) -> None:
        self._key = "\x1f".join([str(part) for part in key])
        self._turn = 0
        self._bits = self._more()

    def _more(self) -> int:
        digest = blake2b(f"{self._turn}\x1f{self._key}".encode(), digest_size=64)
        self._turn += 1
        return int.from_bytes(digest.digest(), "big")

    def below(self, bound: int) -> int:
        """A whole number from 0 up to, not including, `bound`."""
        if self._bits < _REFILL:
            self._bits = self._more()
        self._bits, drawn = divmod(self._bits, bound)
        return drawn

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True about `percent` times in a hundred."""
        return self.below(100) < percent

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[self.below(len(choices))]

    def text(self, length: int, alphabet: str = _ALPHANUMERIC) -> str:
        """A word of `length` characters of `alphabet`."""
        return "".join([alphabet[self.below(len(alphabet))] for _ in range(length)])

    def digits(self, length: int) -> str:
        """A number of exactly `length` digits, as text."""
        return str(self.between(10 ** (length - 1), 10**length - 1))
