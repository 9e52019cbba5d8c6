"""Regular expressions of strangers: those that cost little, whatever they are matched against (security.md IN-05).

The engine tries every way in which a pattern can take a text before it gives up. A pattern is taken only if there are
few ways: one part of any length, groups that are not repeated, and a bounded number of choices in all the rest.
"""

import re
import warnings
from dataclasses import dataclass

#: How many lengths a part may have before it counts as one of any length; and the most ways of all other choices.
NARROW, MOST_WAYS = 16, 64
_DEEPEST = 10
_SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\((?!\?)|\(\?(?:P<[A-Za-z_][A-Za-z0-9_]*>|[:=])")
_COUNT = re.compile(r"(?:[+*?]|\{(?!\})([0-9]*)(?:(,)([0-9]*))?\})[?+]?")


def check(pattern: str) -> None:
    """Raise ValueError saying why a pattern is not taken."""
    reader = _Reader(pattern)
    ways = reader.alternatives(0)
    if ways > MOST_WAYS:
        raise ValueError("too many of its parts are optional or have several forms")
    if reader.at < len(pattern):
        raise ValueError("a bracket is closed that was not opened")
    try:
        with warnings.catch_warnings():
            # a set that may mean something else one day is none that somebody meant
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, OverflowError, Warning) as error:
        raise ValueError(f"it cannot be read: {error}") from None


@dataclass(slots=True)
class _Reader:
    """Reads a pattern from left to right and counts the ways in which its parts may take a text."""

    text: str
    at: int = 0
    wide: int = 0

    def alternatives(self, depth: int) -> int:
        """The ways of all branches up to the end of the group."""
        ways = self._sequence(depth)
        while self.text.startswith("|", self.at):
            self.at += 1
            ways += self._sequence(depth)
        return ways

    def _sequence(self, depth: int) -> int:
        ways = 1
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            # what is too many stays too many, and the number small
            ways = min(ways * self._part(depth), MOST_WAYS + 1)
        return ways

    def _part(self, depth: int) -> int:
        group = self.text[self.at] == "("
        ways = self._group(depth) if group else self._skip()
        count = _COUNT.match(self.text, self.at)
        if count is None:
            return ways
        if group:
            raise ValueError("groups are not repeated")
        self.at = count.end()
        spare = _spare(count)
        if spare is not None and spare <= NARROW:
            return spare + 1
        self.wide += 1
        if self.wide > 1:
            raise ValueError("only one part may be of any length")
        return 1

    def _group(self, depth: int) -> int:
        opened = _GROUP.match(self.text, self.at)
        if opened is None:
            raise ValueError("groups are named, plain, or look ahead")
        if depth == _DEEPEST:
            raise ValueError("groups are nested too deeply")
        self.at = opened.end()
        ways = self.alternatives(depth + 1)
        if not self.text.startswith(")", self.at):
            raise ValueError("a bracket is not closed")
        self.at += 1
        return ways

    def _skip(self) -> int:
        """Step over one character, set or escape."""
        if self.text[self.at] == "\\":
            if self.text[self.at + 1 : self.at + 2].isdigit():
                raise ValueError("what was found before cannot be asked for again")
            self.at += 2
            return 1
        found = _SET.match(self.text, self.at)
        self.at = found.end() if found is not None else self.at + 1
        return 1


def _spare(count: re.Match[str]) -> int | None:
    """How many lengths beside the least one a quantifier allows; None for any."""
    sign = count[0][0]
    if sign in "+*":
        return None
    if sign == "?":
        return 1
    least, most = count[1], count[3] if count[2] else count[1]
    return int(most) - int(least or 0) if most else None
