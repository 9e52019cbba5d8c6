"""Search over some hundred providers that forgives accents and typing errors (pure, bounded)."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from isthmus.features.catalog.model.providers import Provider

_WORD = re.compile(r"[^\W_]+")
_WORDS_READ = 8
_WORD_LIMIT = 40
_QUERY_LIMIT = 200
#: What a word counts that says something of a provider's kind, or of its description, beside one of its name; and what
#: all the words count that make a name once they are written as one.
_KIND, _STORY, _AS_ONE = 0.8, 0.5, 0.9


def find(providers: Iterable[Provider], query: str) -> list[Provider]:
    """The providers that every word of the query is about, the best first."""
    wanted = words(query[:_QUERY_LIMIT])[:_WORDS_READ]
    if not wanted:
        return list(providers) if not query.strip() else []
    rated = ((_rated(provider, wanted), provider) for provider in providers)
    found = [(rating, provider) for rating, provider in rated if rating > 0]
    return [provider for _, provider in sorted(found, key=lambda pair: (-pair[0], pair[1].id))]


def _rated(provider: Provider, wanted: Sequence[str]) -> float:
    """Also as one word: people write a name in two words that is one, and one that is two in one."""
    apart = rate(provider, wanted)
    if len(wanted) == 1:
        return apart
    return max(apart, _AS_ONE * rate(provider, ["".join(wanted)[:_WORD_LIMIT]]))


def words(phrase: str) -> list[str]:
    """The words, in lower case and without accents: `Sàn Đồ cũ` gives `san`, `do`, `cu`."""
    return list(_words(phrase))


@lru_cache(maxsize=8_192)
def _words(phrase: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKD", phrase.casefold().replace("đ", "d"))
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return tuple(word[:_WORD_LIMIT] for word in _WORD.findall(bare))


def rate(provider: Provider, wanted: Sequence[str]) -> float:
    """How well the provider answers all the words; 0 when one of them says nothing of it."""
    called = [words(name) for name in (provider.id, provider.display_name, *provider.names.values())]
    names = [word for name in called for word in (*name, "".join(name)[:_WORD_LIMIT])]
    kinds = [word for name in (provider.category, provider.integration_type, *provider.regions) for word in words(name)]
    story = words(provider.description)
    ratings = [
        max(
            _best(word, names, loose=True),
            _KIND * _best(word, kinds, loose=True),
            _STORY * _best(word, story, loose=False),
        )
        for word in wanted
    ]
    return sum(ratings) / len(ratings) if all(ratings) else 0.0


def _best(word: str, candidates: Sequence[str], *, loose: bool) -> float:
    return max((_likeness(word, candidate, loose=loose) for candidate in candidates), default=0.0)


def _likeness(word: str, candidate: str, *, loose: bool) -> float:
    if word == candidate:
        return 1.0
    if candidate.startswith(word):
        return 0.9
    if len(word) >= 3 and word in candidate:
        return 0.7
    slips = _slips_allowed(len(word)) if loose else 0
    # a beginning with an error in it counts too: people search while they type
    found = min((_distance(word, part) for part in _near(word, candidate, slips)), default=99) if slips else 99
    return 0.6 - 0.1 * found if found <= slips else 0.0


def _near(word: str, candidate: str, slips: int) -> Iterator[str]:
    """Those of the word and its beginning that could be near enough; most are far, and counting letters is cheap."""
    for part in {candidate, candidate[: len(word)]}:
        if abs(len(part) - len(word)) <= slips and len(set(word) - set(part)) <= slips:
            yield part


def _slips_allowed(length: int) -> int:
    return 0 if length < 3 else 1 if length < 6 else 2


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
