"""Whose page a request comes from, and the cookie that counts for our own only (security.md SE-06 to SE-08)."""

import pytest

from isthmus.http.browsers import SESSION_COOKIE, is_own_page, session_cookie, session_header
from isthmus.kit.errors import Unauthenticated
from isthmus.kit.secret import Secret

HOST = {b"host": b"app.example.com:8443"}
OWN = b"https://app.example.com:8443"

#: What a browser says of where it asks from -> whether it may look, and whether it may change.
SAID: list[tuple[dict[bytes, bytes], bool, bool]] = [
    ({}, True, False),
    ({b"sec-fetch-site": b"same-origin"}, True, True),
    ({b"sec-fetch-site": b"same-origin", b"origin": OWN}, True, True),
    ({b"sec-fetch-site": b"none"}, True, False),
    ({b"sec-fetch-site": b"same-site"}, False, False),
    ({b"sec-fetch-site": b"cross-site"}, False, False),
    ({b"sec-fetch-site": b"cross-site", b"origin": OWN}, False, False),
    ({b"sec-fetch-site": b"Same-Origin"}, False, False),
    ({b"sec-fetch-site": b""}, False, False),
    ({b"origin": OWN}, True, True),
    ({b"origin": b"null"}, False, False),
    ({b"origin": b""}, False, False),
    ({b"origin": b"http://app.example.com:8443"}, False, False),
    ({b"origin": b"https://app.example.com"}, False, False),
    ({b"origin": b"https://app.example.com:8444"}, False, False),
    ({b"origin": b"https://shop.app.example.com:8443"}, False, False),
    ({b"origin": b"https://app.example.com:8443.evil.example"}, False, False),
    ({b"origin": b"https://APP.example.com:8443"}, False, False),
    ({b"origin": OWN + b" " + OWN}, False, False),
]


@pytest.mark.parametrize(("said", "looks", "changes"), SAID, ids=str)
def test_SE_07_only_a_page_of_this_server_changes_anything(
    said: dict[bytes, bytes], looks: bool, changes: bool
) -> None:
    headers = {**HOST, **said}
    assert [is_own_page(method, headers) for method in ("GET", "HEAD")] == [looks] * 2
    assert {is_own_page(method, headers) for method in ("POST", "PUT", "PATCH", "DELETE")} == {changes}


@pytest.mark.parametrize(
    ("host", "origin", "own"),
    [
        (b"localhost:8000", b"http://localhost:8000", True),
        (b"127.0.0.1:8000", b"http://127.0.0.1:8000", True),
        (b"[::1]:8000", b"http://[::1]:8000", True),
        (b"localhost", b"http://localhost", True),
        (b"localhost:8000", b"http://localhost:8001", False),
        (b"localhost:8000", b"http://127.0.0.1:8000", False),
        (b"localhost.example.com", b"http://localhost.example.com", False),
        (b"", b"https://", False),
    ],
)
def test_SE_07_without_tls_only_the_machine_itself_is_an_own_page(host: bytes, origin: bytes, own: bool) -> None:
    assert is_own_page("POST", {b"host": host, b"origin": origin}) is own


def test_SE_06_the_cookie_is_for_this_host_alone_and_for_no_script() -> None:
    assert session_header(Secret("ist_one"), 60) == (
        "__Host-isthmus_session=ist_one; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax"
    )
    assert session_header(None) == "__Host-isthmus_session=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax"
    assert "Max-Age" not in session_header(Secret("ist_one"))


def test_SE_06_one_cookie_is_read_by_its_whole_name() -> None:
    def read(text: str) -> bytes | None:
        return session_cookie({b"cookie": text.encode()})

    assert read(f"a=b; {SESSION_COOKIE}=one; c=d") == b"one"
    assert read(f"{SESSION_COOKIE}=") is None
    assert read(f"x{SESSION_COOKIE}=one; isthmus_session=two") is None
    assert session_cookie({}) is None
    with pytest.raises(Unauthenticated):
        read(f"{SESSION_COOKIE}=one; {SESSION_COOKIE}=two")
