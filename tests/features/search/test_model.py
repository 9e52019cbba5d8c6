"""Words, queries and ranking."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.search import model
from isthmus.features.search.model import Hit


@pytest.mark.parametrize(
    ("given_", "folded"),
    [
        ("Áo thun ĐỎ, cỡ lớn", "ao thun do co lon"),
        ("ÁO THUN", "ao thun"),
        ("a_b-c  SKU-12.5", "a b c sku 12 5"),
        ("\uff26ull", "full"),
        ("", ""),
        ("%%%__\\:*&|!()'", ""),
    ],
)
def test_case_accents_and_signs_do_not_count(given_: str, folded: str) -> None:
    assert model.fold(given_) == folded


@given(st.text(max_size=300))
def test_folding_twice_is_folding_once_and_a_query_holds_nothing_but_words(text: str) -> None:
    folded = model.fold(text)
    assert model.fold(folded) == folded
    for word in folded.split():
        assert word.isalnum()
        assert len(word) <= 40


@given(st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=5), st.text(min_size=1, max_size=60))
def test_relevance_lies_between_nothing_and_one_and_is_whole_for_the_same_words(words: list[str], other: str) -> None:
    phrase = " ".join(words)
    assert model.relevance(phrase, phrase) == 1.0
    assert 0.0 <= model.relevance(other, phrase) <= 1.0


def test_a_query_reads_every_word_once_and_eight_at_most() -> None:
    asked = model.Asked(query="a b A c d e f g h i j")
    assert asked.words == ["a", "b", "c", "d", "e", "f", "g", "h"]


def test_words_that_mean_nothing_here_are_left_out_of_the_loose_query() -> None:
    assert model.loosely(["thnu", "zzz"], {"thnu": ["thun"]}) == [["thun"]]
    key = model.key_of("con_1")
    assert model.query_text([("a", "b"), ("c",)], "con_1") == f"('{key}a' | '{key}b') & ('{key}c')"


def _hit(integration: str, external_id: str, score: float) -> Hit:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Hit(
        external_id, integration, "Shop", "shelf", "products", external_id, "Title", "", None, score, at, "index"
    )


def test_results_are_ranked_together_and_each_record_shows_once() -> None:
    hits = model.ranked([_hit("b", "1", 0.5), _hit("a", "1", 0.5), _hit("a", "2", 0.9), _hit("a", "1", 0.1)])
    assert [(hit.integration_id, hit.external_id) for hit in hits] == [("a", "2"), ("a", "1"), ("b", "1")]


@given(st.integers(0, 25), st.integers(1, 7))
def test_pages_follow_each_other_without_a_gap_or_a_repeat(size: int, limit: int) -> None:
    hits = model.ranked([_hit(one, str(at), 0.5) for at in range(size) for one in ("a", "b")])
    seen: list[Hit] = []
    offset = 0
    while True:
        page = model.part(hits, offset, limit)
        assert page.total == len(hits)
        seen += page.hits
        if not page.has_more:
            break
        offset += limit
    assert sorted(hit.id + hit.integration_id for hit in seen) == sorted(hit.id + hit.integration_id for hit in hits)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("shrit", ["shirt"]),
        ("shi", ["shirt", "shirts"]),
        ("sh", []),
        ("shirt", ["shirt", "shirts"]),
        ("zzz", []),
    ],
)
def test_a_word_means_its_neighbours_and_what_it_begins(word: str, found: list[str]) -> None:
    assert model.meant(word, ["shirts", "shirt", "trousers"]) == found
