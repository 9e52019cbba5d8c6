"""One reading of a URL: ours, or none."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from isthmus.client import InvalidRequest
from isthmus.client.url import Query, add_query, encode, join, parse, resolve

PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "http://",
                "https://",
                "example.com",
                "127.0.0.1",
                "[::1]",
                "0x7f.1",
                ":80",
                ":",
                "@",
                "/",
                "//",
                "\\",
                "?",
                "#",
                "..",
                ".",
                "%2e",
                "%00",
                "%",
                "a",
                "user:pw",
                "\t",
                " ",
                "①",
                "。",
                "é",
                "&",
                "=",
                ";",
                "\x00",
            ]
        ),
        st.text(max_size=3),
    ),
    max_size=8,
).map("".join)


@settings(deadline=None)
@given(PIECES.map(lambda rest: "http://" + rest))
@example("http://example.com:80:80/")
@example("http://a@b@c/")
@example("http://[::ffff:127.0.0.1]/")
@example("http://é")
def test_SS_04_what_is_accepted_means_the_same_to_every_parser(text: str) -> None:
    try:
        ours = parse(text)
    except InvalidRequest:
        return
    written = str(ours)
    assert written.isascii()
    assert parse(written) == ours
    theirs, standard = URL(written, encoded=True), urlsplit(written)
    assert (theirs.raw_host, theirs.port) == (ours.host, ours.port)
    assert (standard.hostname, standard.port or 80) == (ours.host, ours.port)
    assert theirs.raw_path == ours.path
    assert "@" not in standard.netloc


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=9), max_size=4))
def test_parameters_come_back_as_they_were(query: dict[str, str]) -> None:
    try:
        made = add_query(parse("https://a.test/x?first=1"), query)
    except InvalidRequest:
        assert any("\ud800" <= letter <= "\udfff" for pair in query.items() for text in pair for letter in text)
        return
    assert parse_qsl(made.query, keep_blank_values=True) == [("first", "1"), *query.items()]


@settings(deadline=None)
@given(PIECES)
def test_paths_stay_below_the_base(text: str) -> None:
    base = parse("https://a.test/v2")
    try:
        made = join(base, "/" + text)
    except InvalidRequest:
        return
    if "://" not in ("/" + text)[:12]:
        assert made.origin == base.origin
        assert made.path.startswith("/v2/")
        assert ".." not in made.path.split("/")


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("/b", "https://a.test/b"),
        ("b", "https://a.test/v2/b"),
        ("?q=1", "https://a.test/v2/x?q=1"),
        ("//c.test/d", "https://c.test/d"),
        ("https://c.test", "https://c.test/"),
    ],
)
def test_references_are_seen_from_where_they_were_found(reference: str, target: str) -> None:
    assert str(resolve(parse("https://a.test/v2/x?y=2"), reference)) == target


def test_values_are_written_one_way() -> None:
    query: Query = {"a": True, "b": None, "c": ["1", "x y"], "d": 1.5, "é": "+&="}
    assert encode(query) == "a=true&c=1&c=x%20y&d=1.5&%C3%A9=%2B%26%3D"
