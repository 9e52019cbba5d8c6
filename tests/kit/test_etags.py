"""The tags of things, and the list of them that a change may name."""

from datetime import UTC, datetime

import pytest

from isthmus.kit.etags import Seen, etag
from isthmus.kit.secret import Secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_tag_is_the_same_as_long_as_the_facts_are_whatever_their_order() -> None:
    assert etag({"a": 1, "b": [NOW, None]}) == etag({"b": [NOW, None], "a": 1})
    assert len({etag("a"), etag("a", None), etag(["a"]), etag(1), etag("1"), etag()}) == 6
    with pytest.raises(TypeError):
        etag(Secret("s"))


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ('"a"', {"a"}),
        ('"a","b" , "c,d"', {"a", "b", "c,d"}),
        (', "a",, "b",', {"a", "b"}),
        ('W/"a"', set()),
        ('W/"a", "b"', {"b"}),
        ('""', {""}),
    ],
)
def test_MA_04_a_list_of_tags_is_read_and_weak_ones_fit_nothing(header: str, tags: set[str]) -> None:
    seen = Seen.read(header)
    assert seen == Seen(frozenset(tags))
    assert not seen.fits("z")
    assert not seen.fits(None)
    assert all(seen.fits(one) for one in tags)


def test_MA_04_a_star_fits_whatever_is_there() -> None:
    seen = Seen.read(" * ")
    assert seen.fits("a")
    assert not seen.fits(None)


@pytest.mark.parametrize("header", ["", "a", '"a', '"a" "b"', '*, "a"', 'w/"a"', '"a b"', ",", "2026-01-01T00:00:00Z"])
def test_what_is_no_list_of_tags_is_not_read(header: str) -> None:
    with pytest.raises(ValueError, match="double quotes"):
        Seen.read(header)


def test_a_long_list_is_read_in_a_moment() -> None:
    for one in ('"a",', '"a" , ', ' , , ,"a"'):
        with pytest.raises(ValueError, match="double quotes"):
            Seen.read(one * 5_000 + "b")
