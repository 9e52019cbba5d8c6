"""No bad address is dialled, whatever way it is written or resolved (security.md 2.7)."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from isthmus.client import (
    NEVER,
    AddressGuard,
    AddressRefused,
    AioTransport,
    ApiClient,
    InvalidRequest,
    RedirectRefused,
)
from isthmus.client.transport.lean import LeanTransport
from isthmus.client.url import parse

Replies = Callable[..., bytes]

BAD = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254
169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1
192.88.99.1 192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 100::1
fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 5f00::1 2001::1 2001:10::1 2001:20::1 2001:2::1 2001:db8::1
2002:7f00:1::1 3fff::1 2620:4f:8000::1 2a00:1450::5efe:7f00:1 2a00:1450::200:5efe:a00:1
2001:0:7f00:1::1 2002:a9fe:a9fe::1
"""
GOOD = """1.1.1.1 8.8.8.8 93.184.216.34 172.32.0.1 192.0.1.1 198.20.0.1 2606:4700::1111 2a00:1450:4001:800::200e"""


def test_SS_01_the_list_has_its_58_vectors() -> None:
    assert len(BAD.split()) == 58


@pytest.mark.parametrize("address", BAD.split())
def test_SS_01_bad_addresses_are_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        AddressGuard().check(address, 443)


@pytest.mark.parametrize("address", GOOD.split())
def test_SS_01_public_addresses_pass(address: str) -> None:
    AddressGuard().check(address, 443)


URLS = [
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1.:80/../x",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http:///x",
    "http:/127.0.0.1",
    "http://user@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://example.com\\@127.0.0.1/",
    "http://exa mple.com/",
    "http://example.com\t/",
    "http://example..com/",
    "http://.example.com/",
    "http://example.com:0/",
    "http://example.com:99999/",
    "http://[::1%25eth0]/",
    "ftp://example.com/",
    "http://[::ffff:127.0.0.1/",
    "//example.com/",
    "http://example.com:80:80/",
]


@pytest.mark.parametrize("url", URLS)
def test_SS_02_SS_04_urls_that_parsers_disagree_on_are_refused(url: str) -> None:
    with pytest.raises((InvalidRequest, AddressRefused)):
        found = parse(url)
        AddressGuard().check_host(found.host, found.port)


@pytest.mark.parametrize(
    "url", ["http:///x", "http:/127.0.0.1", "http:x", "http://", "http:", "http://:80/x", "http://?q", "http://#"]
)
async def test_SS_03_an_address_without_a_host_is_refused_before_any_name_is_looked_up(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    with pytest.raises(InvalidRequest):
        parse(url)
    with pytest.raises(InvalidRequest):
        async with ApiClient(url) as api:
            await api.get("")


def test_SS_04_one_trailing_dot_is_folded_and_names_are_lowered() -> None:
    assert str(parse("HTTPS://Example.COM.:443/A?b#c")) == "https://example.com/A?b"
    assert parse("https://bücher.example/").host == "xn--bcher-kva.example"


@pytest.mark.parametrize("port", [22, 25, 2375, 3306, 5432, 6379, 9200, 11211, 27017])
def test_SS_08_ports_of_other_services_are_refused(port: int) -> None:
    with pytest.raises(AddressRefused):
        AddressGuard().check("1.1.1.1", port)


def test_an_allow_list_lets_networks_and_names_through_and_a_deny_list_shuts() -> None:
    guard = AddressGuard(allow=("127.0.0.0/8", "erp.intern"), deny=("127.0.0.2",))
    guard.check("127.0.0.1", 5432)
    guard.check("10.0.0.7", 443, "erp.intern")
    for address, host in (("127.0.0.2", ""), ("10.0.0.7", "other.intern")):
        with pytest.raises(AddressRefused):
            guard.check(address, 443, host)


class Names(AbstractResolver):
    """Answers in turn; the last answer for ever."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the port's
    ) -> list[ResolveResult]:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=one, port=port, family=socket.AF_INET, proto=0, flags=0) for one in found
        ]

    async def close(self) -> None:
        return


async def guarded(names: Names, guard: AddressGuard, url: str) -> None:
    transport = AioTransport(guard=guard, resolver=names)
    try:
        async with ApiClient(url, transport=transport, retry=NEVER, deadline=2) as api:
            await api.get("/")
    finally:
        await transport.aclose()


@pytest.mark.parametrize("answer", [("127.0.0.1",), ("1.1.1.1", "127.0.0.1"), ("::ffff:10.0.0.1",), ()])
async def test_SS_01_any_bad_answer_refuses_the_name(answer: tuple[str, ...]) -> None:
    with pytest.raises(AddressRefused):
        await guarded(Names(answer), AddressGuard(), "http://shop.test")


@pytest.mark.parametrize("kind", [AioTransport, LeanTransport], ids=["aio", "lean"])
async def test_SS_01_each_bad_address_is_refused_as_an_answer_alone_and_among_good_ones(kind: Any) -> None:
    async def resolve(_host: str, port: int) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (one, port)) for one in names.answers[0]]

    names = Names(())
    transport = kind(guard=AddressGuard(), resolver=names if kind is AioTransport else resolve)
    async with ApiClient("http://shop.test", transport=transport, retry=NEVER, breaker=None, deadline=2) as api:
        for address in BAD.split():
            for answer in ((address,), ("1.1.1.1", address), (address, "2606:4700::1111")):
                names.answers[:] = [answer]
                with pytest.raises(AddressRefused):
                    await api.get("/")
    await transport.aclose()


async def test_SS_01_SS_05_the_lean_transport_judges_every_answer_and_every_dial(
    far_side: Any, respond: Replies
) -> None:
    far_side.answer("/", respond(Connection="close"))
    answers = [("127.0.0.1",), ("127.0.0.2",), ("127.0.0.1", "10.0.0.1"), ()]

    async def resolve(_host: str, port: int) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (one, port)) for one in answers.pop(0)]

    transport = LeanTransport(guard=AddressGuard(allow=("127.0.0.1",)), resolver=resolve)
    async with ApiClient(f"http://shop.test:{far_side.port}", transport=transport, retry=NEVER) as api:
        assert (await api.get("/")).ok
        assert far_side.seen[0].headers["host"] == f"shop.test:{far_side.port}"
        for _ in range(3):
            with pytest.raises(AddressRefused):
                await api.get("/")
    await transport.aclose()
    assert (answers, far_side.connections) == ([], 1)


async def test_SS_02_literals_do_not_slip_past_the_resolver(far_side: Any) -> None:
    with pytest.raises(AddressRefused):
        await guarded(Names(("1.1.1.1",)), AddressGuard(), far_side.url)
    assert far_side.connections == 0


async def test_SS_02_the_socket_itself_is_judged(far_side: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AddressGuard, "check_host", lambda *_: None)
    with pytest.raises(AddressRefused):
        await guarded(Names(("1.1.1.1",)), AddressGuard(), far_side.url)
    assert far_side.connections == 0


async def test_SS_05_every_dial_is_judged_again(far_side: Any, respond: Replies) -> None:
    far_side.answer("/", respond(Connection="close"))
    names = Names(("127.0.0.1",), ("127.0.0.2",))
    transport = AioTransport(guard=AddressGuard(allow=("127.0.0.1",)), resolver=names)
    async with ApiClient(f"http://shop.test:{far_side.port}", transport=transport, retry=NEVER) as api:
        await api.get("/")
        assert far_side.seen[0].headers["host"] == f"shop.test:{far_side.port}"
        with pytest.raises(AddressRefused):
            await api.get("/")
    await transport.aclose()
    assert names.asked == 2


async def test_SS_06_redirects_are_judged_and_drop_secrets_elsewhere(far_side: Any, respond: Replies) -> None:
    other = asyncio.start_server(far_side.serve, "127.0.0.1", 0)
    async with await other as server:
        elsewhere = server.sockets[0].getsockname()[1]
        far_side.answer("/a", respond(302, Location=f"http://127.0.0.1:{elsewhere}/b"))
        far_side.answer("/c", respond(302, Location="http://10.0.0.1/"))
        far_side.answer("/d", respond(302, Location="/d"))
        guard = AddressGuard(allow=("127.0.0.1",))
        headers = {"Authorization": "Bearer s", "Cookie": "s=1", "X-Api-Key": "s"}
        async with ApiClient(far_side.url, guard=guard, headers=headers, retry=NEVER) as api:
            response = await api.get("/a")
            assert response.url is not None
            assert response.url.port == elsewhere
            assert far_side.seen[0].headers["authorization"] == "Bearer s"
            assert not {"authorization", "cookie", "x-api-key"} & far_side.seen[1].headers.keys()
            with pytest.raises(AddressRefused):
                await api.get("/c")
            with pytest.raises(RedirectRefused, match="more than 3"):
                await api.get("/d")
            far_side.answer("/e", respond(307, Location="/b"))
            with pytest.raises(RedirectRefused, match="not sent again"):
                await api.post("/e", {})
        far_side.drop()


async def test_SS_07_proxies_of_the_environment_are_not_used(far_side: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with ApiClient(far_side.url, retry=NEVER) as api:
        assert (await api.get("/")).status == 200


async def test_SS_09_refused_and_unresolvable_read_the_same() -> None:
    messages = set()
    for url in ("http://nowhere.invalid", "http://127.0.0.1:8080", "http://10.0.0.1"):
        async with ApiClient(url, guard=AddressGuard(), retry=NEVER, deadline=5) as api:
            with pytest.raises(AddressRefused) as caught:
                await api.get("/")
            messages.add(str(caught.value))
    assert len(messages) == 1


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\nb", "a\x00b", " a", "a ", "a\r"])
async def test_SS_11_header_values_cannot_break_out(far_side: Any, value: str) -> None:
    async with ApiClient(far_side.url) as api:
        with pytest.raises(InvalidRequest):
            await api.get("/", headers={"X-Name": value})
        with pytest.raises(InvalidRequest):
            await api.get("/", headers={f"X{value}": "x"})
    assert not far_side.seen


@pytest.mark.parametrize("path", ["/a/../b", "/./a", "/a\nb", "/a\\b", "/%2e%2e/a", "/a/%2E./b"])
async def test_paths_cannot_climb_or_break_out(path: str) -> None:
    async with ApiClient("http://127.0.0.1:9/base") as api:
        with pytest.raises(InvalidRequest):
            await api.get(path)
