"""The one look at a whole request: it reads what the parser reads, and leaves to it whatever is unusual."""

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.http import heads

ASKED = b"GET /api/things/a.b?limit=5&a=%20b HTTP/1.1\r\nHost: localhost\r\nX-Id: 7: 8\r\n\r\n"
PLAIN = b"POST /hooks/abc?a=1 HTTP/1.1\r\nHost: localhost\r\nX-Id: 7: 8\r\nContent-Length: 2\r\n\r\nhi"


class Parsed:
    """What the parser below makes of the same bytes."""

    def __init__(self, data: bytes) -> None:
        self.url, self.body, self.ended = b"", b"", 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended += 1


def read(data: bytes) -> tuple[str, dict[str, str], bytes] | None:
    return heads.whole(data, 16_384, 64)


def test_a_plain_request_is_read_whole() -> None:
    target, headers, body = read(PLAIN) or ("", {}, b"")
    assert (target, body) == ("/hooks/abc?a=1", b"hi")
    assert headers == {"host": "localhost", "x-id": "7: 8", "content-length": "2"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"GET"),
        (b"POST /", b"POST  /"),
        (b"POST /hooks", b"POST http://localhost/hooks"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"HTTP/1.1", b"HTTP/1.1 "),
        (b"Length: 2", b"Length: 3"),
        (b"Length: 2", b"Length: 1"),
        (b"Length: 2", b"Length: +2"),
        (b"Length: 2", b"Length: 2, 2"),
        (b"Content-Length: 2\r\n", b""),
        (b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 2"),
        (b"Content-Length: 2", b"Content-Length : 2"),
        (b"Host: localhost", b"Host: localhost\r\nhost: elsewhere"),
        (b"Host: localhost", b"Host:localhost"),
        (b"Host: localhost", b"Host:  localhost"),
        (b"Host: localhost", b"Host: localhost "),
        (b"Host: localhost", b"Host: "),
        (b"Host: localhost", b"Host: localhost\r\n folded: line"),
        (b"Host: localhost", b"Host: localhost\nX-More: 1"),
        (b"Host: localhost", b"Host: localhost\rX-More: 1"),
        (b"Host: localhost", b"Host: local\x00host"),
        (b"Host: localhost", "Host: l\u00f6calhost".encode("latin-1")),
        (b"Host: localhost", b"Host: localhost\r\nnothing"),
        (b"X-Id", b"X(Id"),
        (b"X-Id", b""),
        (b"X-Id: 7: 8", b"Connection: close"),
        (b"X-Id: 7: 8", b"Transfer-Encoding: chunked"),
        (b"X-Id: 7: 8", b"Expect: 100-continue"),
        (b"X-Id: 7: 8", b"Upgrade: websocket"),
        (b"/abc", b"/a c"),
        (b"\r\n\r\nhi", b"\r\n\r\nhi\r\n"),
        (b"\r\n\r\nhi", b"\n\nhi"),
        (b"POST", b"\r\nPOST"),
    ],
)
def test_HE_01_what_is_not_of_the_one_plain_form_is_left_to_the_parser(old: bytes, new: bytes) -> None:
    assert old in PLAIN
    assert read(PLAIN.replace(old, new, 1)) is None


def test_HE_01_heads_that_are_large_or_have_many_fields_are_left_to_the_parser() -> None:
    assert heads.whole(PLAIN, len(PLAIN) - 6, 64) is None
    assert heads.whole(PLAIN, 16_384, 2) is None
    assert heads.whole(PLAIN, len(PLAIN), 3) is not None


def test_names_that_nobody_uses_twice_do_not_fill_the_memory() -> None:
    for number in range(3_000):
        assert read(PLAIN.replace(b"X-Id", b"X-%d" % number)) is not None
    assert len(heads._names) <= 1_024


def test_what_is_no_name_is_not_remembered_however_often_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "_names", {})
    for number in range(100):
        assert read(PLAIN.replace(b"X-Id: 7: 8", b"x" * 10_000 + b"%d" % number)) is None
        assert read(PLAIN.replace(b"X-Id", b"x" * 101 + b"%d" % number)) is None
    assert max(len(name) for name in heads._names) <= 100


_PIECES = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b": ",
            b":",
            b"\t",
            b"\x00",
            b"\xff",
            b"POST ",
            b"GET ",
            b"/hooks/abc",
            b" HTTP/1.1",
        ),
        *(b"Host: localhost", b"Content-Length: 2", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"X-Id: 7"),
        *(b"Connection: keep-alive", b"Connection: close", b"Expect: 100-continue", b"hi", b"0\r\n\r\n", b"\r\n\r\n"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=6), st.integers(0, len(PLAIN)), st.integers(0, 12))
def test_HE_01_what_is_read_in_one_look_the_parser_reads_alike(pieces: list[bytes], at: int, cut: int) -> None:
    data = PLAIN[:at] + b"".join(pieces) + PLAIN[at + cut :]
    found = read(data)
    if found is None:
        return
    parsed = Parsed(data)
    assert parsed.ended == 1
    assert parsed.parser.get_method() == b"POST"
    assert parsed.parser.get_http_version() == "1.1"
    assert parsed.parser.should_keep_alive()
    assert (parsed.url.decode(), parsed.body) == (found[0], found[2])
    assert {name.decode(): value.decode() for name, value in parsed.headers} == found[1]
    assert len(parsed.headers) == len(found[1])


def asked(data: bytes) -> heads.Asked | None:
    return heads.asked(data, 16_384, 64)


_ALTERED = st.tuples(_PIECES, st.integers(0, len(ASKED)), st.integers(0, 12))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.none(), _ALTERED), min_size=1, max_size=5))
def test_HE_01_one_question_after_the_other_is_read_as_if_it_stood_alone(
    several: list[tuple[bytes, int, int] | None],
) -> None:
    asking = heads.Asking(16_384, 64)
    for altered in several:
        piece, at, cut = altered or (b"", 0, 0)
        data = ASKED[:at] + piece + ASKED[at + cut :]
        assert asking.read(data) == asked(data)


def test_a_question_after_another_one_is_bound_like_the_first() -> None:
    longer = ASKED.replace(b"limit=5", b"limit=500")
    asking = heads.Asking(len(ASKED), 64)
    assert asking.read(ASKED) is not None
    assert asking.read(longer) is None
    assert asking.read(ASKED.replace(b"things", b"others")) is not None


def test_a_plain_question_is_read_whole() -> None:
    found = asked(ASKED)
    assert found == heads.Asked(
        "GET", b"/api/things/a.b", b"limit=5&a=%20b", [(b"host", b"localhost"), (b"x-id", b"7: 8")]
    )
    assert (found.version, found.keep_alive, found.expecting) == ("1.1", True, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET", b"HEAD"),
        (b"GET", b"get"),
        (b"GET", b"POST"),
        (b"GET /", b"GET  /"),
        (b"GET /", b"GET http://localhost/"),
        (b"/api/things", b"/api/th%69ngs"),
        (b"/api/things", b"/api/th\\ings"),
        (b"/api/things", b"/api;v=1/things"),
        (b"?limit", b"#?limit"),
        (b"limit=5", b"limit=5#part"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Host: localhost\r\n", b""),
        (b"Host: localhost", b"Host: localhost\r\nHost: localhost"),
        (b"X-Id: 7: 8", b"Content-Length: 0"),
        (b"X-Id: 7: 8", b"Content-Length: 2"),
        (b"X-Id: 7: 8", b"Transfer-Encoding: chunked"),
        (b"X-Id: 7: 8", b"Connection: close"),
        (b"X-Id: 7: 8", b"Connection: Upgrade"),
        (b"X-Id: 7: 8", b"Upgrade: h2c"),
        (b"X-Id: 7: 8", b"Expect: 100-continue"),
        (b"X-Id", b"X Id"),
        (b"\r\n\r\n", b"\r\n\r\nhi"),
        (b"\r\n\r\n", b"\r\n"),
    ],
)
def test_HE_01_a_question_that_is_not_of_the_one_plain_form_is_left_to_the_parser(old: bytes, new: bytes) -> None:
    assert old in ASKED
    assert asked(ASKED.replace(old, new, 1)) is None


_MORE = st.sampled_from(
    [b"?", b"/", b"//", b"%", b"%2f", b"#", b"&", b"=", b"@", b":", b"..", b";", b"^", b"GET / HTTP/1.1"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES | _MORE, max_size=6), st.integers(0, len(ASKED)), st.integers(0, 12))
def test_HE_01_what_is_asked_in_one_look_the_parser_reads_alike(pieces: list[bytes], at: int, cut: int) -> None:
    data = ASKED[:at] + b"".join(pieces) + ASKED[at + cut :]
    found = asked(data)
    if found is None:
        return
    parsed = Parsed(data)
    assert (parsed.ended, parsed.body) == (1, b"")
    assert parsed.parser.get_method().decode() == found.method
    assert parsed.parser.get_http_version() == found.version
    assert parsed.parser.should_keep_alive()
    address = httptools.parse_url(parsed.url)
    assert (address.path, address.query or b"") == (found.path, found.query)
    assert parsed.headers == found.headers
