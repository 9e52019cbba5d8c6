"""Where a request comes from and which name it asks for (security.md HE-05 to HE-07)."""

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.conftest import MakeLab

from isthmus.http import PUBLIC, FactsDep, Routes, document
from isthmus.http.addresses import Callers, Hosts, is_loopback, is_plain, limit_key, normal
from isthmus.http.errors import CannotStart


def routes() -> Routes:
    made = Routes(prefix="/api", tag="Facts")

    @made.get("/facts/{name}", permission=PUBLIC, limit="open", response_model=None, summary="Facts")
    async def facts(facts: FactsDep, name: str) -> Any:
        return document({"address": facts.address, "name": name})

    return made


@pytest.mark.parametrize(
    ("host", "known"),
    [
        (b"localhost", True),
        (b"LOCALHOST:8080", True),
        (b"localhost.", True),
        (b"127.0.0.1:1", True),
        (b"[::1]:8080", True),
        (b"rebind.test", False),
        (b"localhost.rebind.test", False),
        (b"localhost:8080@rebind.test", False),
        (b"localhost:", False),
        (b"", False),
    ],
)
def test_HE_05_only_configured_names_are_answered(host: bytes, known: bool) -> None:
    assert (host in Hosts(("localhost", "127.0.0.1", "::1"))) is known


async def test_HE_05_other_names_get_421_on_every_address(lab: MakeLab) -> None:
    here = lab(routes())
    for path in ("/api/facts/x", "/docs", "/docs/style.css", "/health/live", "/nothing"):
        answer = await here.call("GET", path, headers={"host": "rebind.test"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (421, "MISDIRECTED_REQUEST")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        (["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
        (["6.6.6.6, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
        (["6.6.6.6, 10.1.1.1"], "6.6.6.6"),
        (["6.6.6.6", "10.1.1.1"], "6.6.6.6"),
        (["<script>"], "10.0.0.1"),
        (["6.6.6.6, <script>"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7:4711"], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_HE_06_forwarding_is_read_from_the_right_and_only_from_proxies(forwarded: list[str], address: str) -> None:
    headers = [(b"x-forwarded-for", text.encode()) for text in forwarded]
    assert Callers(["10.0.0.0/8"]).address("10.0.0.1", headers) == address
    assert Callers([]).address("10.0.0.1", headers) == "10.0.0.1"
    assert Callers(["10.0.0.0/8"]).address("192.0.2.1", headers) == "192.0.2.1"


async def test_HE_06_forged_forwarding_does_not_escape_a_limit(lab: MakeLab) -> None:
    for proxies in ((), ("10.0.0.0/8",)):
        here = lab(routes(), settings={"limits": {"open": 3}, "trusted_proxies": proxies})
        async with here.client() as client:
            codes = [
                (
                    await client.get("/api/facts/x", headers={"x-forwarded-for": f"198.51.{n // 250}.{n % 250}"})
                ).status_code
                for n in range(1_000)
            ]
        assert codes == [200] * 3 + [429] * 997


def test_a_proxy_that_is_no_network_stops_the_start() -> None:
    with pytest.raises(CannotStart, match="trusted_proxies"):
        Callers(["proxy.example.com"])


def test_addresses_have_one_spelling_and_v6_counts_by_network() -> None:
    assert normal("::ffff:192.0.2.1") == "192.0.2.1"
    assert normal("2001:DB8:0:0::1") == "2001:db8::1"
    assert limit_key("2001:db8::1") == limit_key("2001:db8::ffff") != limit_key("2001:db8:0:1::1")
    assert is_loopback("127.0.0.5")
    assert is_loopback("[::1]")
    assert not is_loopback("0.0.0.0")


@pytest.mark.parametrize(
    ("raw", "path", "plain"),
    [
        (b"/a/b", "/a/b", True),
        (b"/a%20b", "/a b", True),
        (b"/a%2fb", "/a/b", False),
        (b"/a%2Fb", "/a/b", False),
        (b"/a%5cb", "/a\\b", False),
        (b"/a%00", "/a\x00", False),
        (b"/a/../b", "/a/../b", False),
        (b"/a/%2e%2e/b", "/a/../b", False),
        (b"/a;b", "/a;b", False),
        (b"//a", "//a", False),
        (b"/a%0d%0a", "/a\r\n", False),
        (b"/%ff", "/\ufffd", False),
        (b"/" + b"a" * 3000, "/" + "a" * 3000, False),
    ],
)
def test_HE_07_a_path_has_one_meaning(raw: bytes, path: str, plain: bool) -> None:
    assert is_plain(raw, path) is plain


@given(st.text(alphabet="abc/.%2eEfF05c;\\", max_size=30))
def test_HE_07_no_path_reaches_an_endpoint_with_a_slash_or_dots_in_a_parameter(text: str) -> None:
    raw = "/" + text
    path = unquote(raw)
    if is_plain(raw.encode(), path):
        assert path.count("/") == raw.count("/")
        assert ".." not in path.split("/")
