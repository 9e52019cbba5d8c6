"""Words, queries and ranking (pure): the same folding for what is stored and for what is asked."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from isthmus.kit import text

_WORD = re.compile(r"[^\W_]+")
#: Words of a document that are kept, and of a query that are read; a word is cut after so many letters.
_WORDS_KEPT, _WORDS_READ, _WORD_LETTERS = 64, 8, 40
_SNIPPET = 200
#: Most words that a misspelt one is taken for.
_MEANINGS = 5
_TITLE = 500
_LETTERS = re.compile(r"[^\W\d_]{3,24}")

Origin = Literal["live", "index", "cache"]


def fold(given: str) -> str:
    """The words in lower case and without accents, one space between them: `Áo thun Đỏ` gives `ao thun do`."""
    if given.isascii():
        bare = given.lower()
    else:
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", given).casefold()).replace("đ", "d")
        bare = "".join(letter for letter in plain if unicodedata.category(letter) != "Mn")
    return " ".join(word[:_WORD_LETTERS] for word in _WORD.findall(bare))


def key_of(connection_id: str) -> str:
    """The short name of a connection that its lexemes begin with; two that share one are told apart by the store."""
    return hashlib.blake2s(connection_id.encode(), digest_size=5).hexdigest()


def is_speakable(word: str) -> bool:
    """Whether a word is one that people misspell, and not a number or an article code."""
    return _LETTERS.fullmatch(word) is not None


@dataclass(frozen=True, slots=True)
class Document:
    """A synced record as search keeps it."""

    id: str
    connection_id: str
    provider: str
    entity: str
    shard_type: str
    external_id: str
    title: str
    folded: str
    snippet: str
    url: str | None
    words: tuple[str, ...]
    version: int
    updated_at: datetime

    @property
    def lexemes(self) -> list[str]:
        """The words behind the connection's short name."""
        key = key_of(self.connection_id)
        return [key + word for word in self.words]


def document(row: Mapping[str, object]) -> Document:
    """The document of a record that a source hands over; `extra` is searched and not shown."""
    title = shown_title(str(row["title"]))
    folded = fold(title)
    extra = fold(f"{row['external_id']} {row['extra'] or ''}")
    words = tuple(dict.fromkeys((*folded.split(), *extra.split())))[:_WORDS_KEPT]
    url, at, version = row["url"], row["updated_at"], row["version"]
    if not (isinstance(at, datetime) and isinstance(version, int)):
        raise TypeError("a source's row needs updated_at and version")
    return Document(
        id=str(row["id"]),
        connection_id=str(row["connection_id"]),
        provider=str(row["provider"]),
        entity=str(row["entity"]),
        shard_type=str(row["shard_type"]),
        external_id=str(row["external_id"]),
        title=title,
        folded=folded,
        snippet=shown_snippet(str(row["snippet"] or "")),
        url=str(url) if url else None,
        words=words,
        version=version,
        updated_at=at,
    )


Groups = Sequence[Sequence[str]]


def exactly(words: Iterable[str]) -> Groups:
    """All of these words."""
    return [(word,) for word in words]


def loosely(words: Sequence[str], near: Mapping[str, Sequence[str]]) -> Groups:
    """For each word one of those it may mean; words that mean nothing here are left out."""
    groups = (meant(word, near.get(word, ())) for word in words)
    return [group for group in groups if group]


def meant(word: str, candidates: Iterable[str]) -> list[str]:
    """Which of these words a word may be a misspelling or the beginning of, the likeliest first, five at most."""
    slips = 0 if len(word) < 3 else 1 if len(word) < 6 else 2
    rated = [(_apart(word, one), one) for one in candidates]
    return [one for apart, one in sorted(rated) if apart <= slips][:_MEANINGS]


def _apart(word: str, candidate: str) -> float:
    """How many slips lead from one word to the other; a beginning is half a slip."""
    if candidate != word and candidate.startswith(word) and len(word) >= 3:
        return 0.5
    return _distance(word, candidate)


def _distance(one: str, other: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, target in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != target))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == target:
                best = min(best, earlier[j - 2] + 1)
            row.append(best)
    return row[-1]


def query_text(groups: Groups, connection_id: str) -> str:
    """The query over one connection's lexemes, in PostgreSQL's own form; words hold letters and digits only."""
    key = key_of(connection_id)
    return " & ".join("(" + " | ".join(f"'{key}{word}'" for word in group) + ")" for group in groups)


def relevance(title: str, phrase: str) -> float:
    """How much a title is about a folded phrase, from 0 to 1; the function in the database says the same."""
    folded = fold(title)
    bonus = 0.5 if folded == phrase else 0.3 if phrase and phrase in folded else 0.0
    return 0.5 * _similarity(folded, phrase) + bonus


def _similarity(one: str, other: str) -> float:
    grams, others = _grams(one), _grams(other)
    return len(grams & others) / (len(grams | others) or 1)


def _grams(folded: str) -> set[str]:
    return {f"  {word} "[at : at + 3] for word in folded.split() for at in range(len(word) + 1)}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search is for; empty tuples mean any."""

    query: str
    integrations: tuple[str, ...] = ()
    #: Names of entities, or types of records.
    entities: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    custom: Mapping[str, str] = field(default_factory=dict)

    def covers(self, moment: datetime | None) -> bool:
        """Whether a change at this moment is meant; one that nobody knows is not, where a range is given."""
        if self.since is None and self.until is None:
            return True
        if moment is None:
            return False
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)

    @property
    def phrase(self) -> str:
        """The folded query."""
        return fold(self.query)

    @property
    def words(self) -> list[str]:
        """Its different words, the first eight of them."""
        return list(dict.fromkeys(self.phrase.split()))[:_WORDS_READ]


@dataclass(frozen=True, slots=True)
class Hit:
    """One result."""

    id: str
    integration_id: str
    integration_name: str
    provider: str
    entity: str
    external_id: str
    title: str
    snippet: str
    url: str | None
    score: float
    updated_at: datetime | None
    source: Origin


def shown_title(given: str) -> str:
    """A title from outside on one line, bounded."""
    return " ".join(text.terminal(text.shown(given[:_TITLE])).split())


def shown_snippet(given: str) -> str:
    """The beginning of a text from outside."""
    return " ".join(text.shown(text.from_html(given[: 10 * _SNIPPET])).split())[:_SNIPPET]


@dataclass(frozen=True, slots=True)
class Part:
    """One page of results: of each integration those from a place on, ranked together."""

    hits: Sequence[Hit]
    total: int
    has_more: bool


def part(hits: Sequence[Hit], offset: int, limit: int) -> Part:
    """The results of each integration from `offset` on, at most `limit` of each."""
    seen: dict[str, int] = {}
    shown, more = [], False
    for hit in hits:
        place = seen[hit.integration_id] = seen.get(hit.integration_id, -1) + 1
        if offset <= place < offset + limit:
            shown.append(hit)
        more = more or place >= offset + limit
    return Part(shown, len(hits), more)


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """The best first, each record once; what is equally good is in a fixed order."""
    once: dict[tuple[str, str, str], Hit] = {}
    for hit in hits:
        once.setdefault((hit.integration_id, hit.entity, hit.external_id), hit)
    return sorted(once.values(), key=lambda hit: (-round(hit.score, 6), hit.integration_id, hit.entity, hit.id))
