"""What passes the proxy, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.client.url import parse
from isthmus.features.proxy import model, service


def test_credentials_hop_headers_and_the_callers_own_network_stay_behind() -> None:
    given_ = [
        ("Accept", "application/json"),
        ("X-Custom", "1"),
        ("Idempotency-Key", "k"),
        ("Connection", "close, X-Mine"),
        *((name, "x") for name in ("X-Mine", "Authorization", "X-API-Key", "Cookie", "Host", "TE", "Upgrade")),
        *((name, "x") for name in ("X-Forwarded-For", "Forwarded", "X-Shop-Access-Token", "X-Signature", "Origin")),
    ]
    assert model.asked_headers(given_) == {"accept": "application/json", "x-custom": "1", "idempotency-key": "k"}


def test_no_header_names_another_method_than_the_one_that_was_judged() -> None:
    names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
    assert model.asked_headers([("Accept", "*/*"), *((name, "DELETE") for name in names)]) == {"accept": "*/*"}


def test_no_header_names_another_path_and_none_gets_by_under_an_underscore() -> None:
    names = (
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X_HTTP_Method_Override",
        "X_Rewrite_Url",
        "x.api.key",
    )
    more = ("X_Forwarded_For", "Api_Key", "Proxy_Authorization", "True-Client-IP", "X_Auth_Token", "Content_Length")
    assert model.asked_headers([(name, "x") for name in (*names, *more)]) == {}


def test_what_is_given_more_than_once_goes_on_as_a_list_and_a_part_is_asked_for_unpacked() -> None:
    given_ = [("X-A", "1"), ("Prefer", "a"), ("x-a", "2"), ("Range", "bytes=0-1")]
    expected = {"x-a": "1, 2", "prefer": "a", "range": "bytes=0-1", "accept-encoding": "identity"}
    assert model.asked_headers(given_) == expected


def test_nothing_comes_back_that_a_server_or_cache_in_front_of_us_acts_on() -> None:
    names = (
        "X-Accel-Redirect",
        "X-Sendfile",
        "X-LiteSpeed-Location",
        "X-Reproxy-URL",
        "Surrogate-Control",
        "X-Sendfile2",
    )
    caches = ("CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Edge-Control", "X-Break-Glass", "Isthmus-Location")
    assert model.answered_headers([("X-Total", "7"), *((name, "x") for name in (*names, *caches))]) == [
        ("x-total", "7")
    ]


def test_headers_that_cannot_be_sent_and_sums_over_packed_bytes_do_not_come_back() -> None:
    broken = [("x-bad", "a\x01b"), ("x bad", "1"), ("x-nul", "\x00"), ("x-name", "Áo")]
    assert model.answered_headers(broken) == [("x-name", "Áo")]
    sums = [("Content-MD5", "x"), ("Digest", "x"), ("Content-Digest", "x")]
    assert model.answered_headers([*sums, ("Content-Encoding", "gzip"), ("ETag", "e")]) == [("etag", "e")]
    assert len(model.answered_headers(sums)) == 3


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/api/y?a=1#part", "/own/y?a=1"), ("y", "/own/a/y"), ("?page=2", "/own/a/b?page=2"),
        ("https://far.example/api/y", "/own/y"), ("https://far.example:443/api/y", "/own/y"),
        ("/other/y", None), ("/apiary", None), ("https://else.example/api/y", None), ("//else.example/api/y", None),
        ("http://far.example/api/y", None), ("https://far.example:8443/api/y", None), ("/api/../secret", None),
        ("https://a@far.example/api/y", None), ("javascript:alert(1)", "/own/a/javascript:alert(1)"), ("/api\\y", None),
    ],
)  # fmt: skip
def test_SS_06_SS_13_a_redirect_leads_back_through_the_proxy_or_nowhere(location: str, expected: str | None) -> None:
    url = parse("https://far.example/api/a/b?x=1")
    told = service.led([("location", location), ("x-a", "1")], url, "/a/b?x=1", "/own")
    assert told == [("location", expected) if expected else ("isthmus-location", location), ("x-a", "1")]


@pytest.mark.parametrize(
    "query",
    [
        "_method=DELETE", "a=1&_METHOD=DELETE", "a=1;_method=DELETE", "%5fmethod=DELETE", ".method=DELETE",
        "+_method=DELETE", "_method%00x=DELETE", "_method[]=DELETE", "_method",
    ],
)  # fmt: skip
def test_no_query_names_another_method_or_path_however_it_is_written(query: str) -> None:
    assert model.names_another(f"/x?{query}", method=True, path=False)
    assert not model.names_another(f"/x?{query}", method=False, path=True)
    route = query.replace("_method", "rest_route").replace(".method", "rest.route").replace("%5fmethod", "rest%5froute")
    if "METHOD" not in query:
        assert model.names_another(f"/x?{route}", method=True, path=True)
        assert not model.names_another(f"/x?{route}", method=True, path=False)


def test_other_names_in_a_query_go_on() -> None:
    assert not model.names_another("/_method?method=x&payment_method=card&a=_method", method=True, path=True)


def test_what_comes_back_carries_no_cookie_no_credential_and_nothing_the_edge_says_itself() -> None:
    names = (
        "Set-Cookie",
        "Access-Control-Allow-Origin",
        "Strict-Transport-Security",
        "X-Auth-Token",
        "Transfer-Encoding",
    )
    back = model.answered_headers([("Content-Type", "text/plain"), ("Link", "<x>"), *((name, "x") for name in names)])
    assert back == [("content-type", "text/plain"), ("link", "<x>")]


@pytest.mark.parametrize(
    ("raw", "query", "target"),
    [
        (b"/api/proxy/con_1/v1/orders", b"", "/v1/orders"),
        (b"/api/proxy/con_1/v1/a%20b", b"x=1&y=%2F", "/v1/a%20b?x=1&y=%2F"),
        (b"/api/proxy/con_1/v1", b"back=http://other.example", "/v1?back=http%3A//other.example"),
        (b"/api/proxy/con_1/", b"", "/"),
        (b"/api/proxy/con_1/...%2e/x", b"", "/...%2e/x"),
        (b"/api/proxy/con_1/a/../b", b"", None),
        (b"/api/proxy/con_1/%2e%2E/b", b"", None),
        (b"/api/proxy/con_1/.%2e/b", b"", None),
        (b"/api/proxy/con_1/%252e%252e/b", b"", None),
        (b"/api/proxy/con_1//other.example/b", b"", None),
        (b"/api/proxy/con_1/a\\b", b"", None),
        ("/api/proxy/con_1/é".encode(), b"", None),
    ],
)
def test_a_path_goes_on_as_it_was_encoded_or_not_at_all(raw: bytes, query: bytes, target: str | None) -> None:
    assert model.target(raw, 4, query) == target


@given(st.binary(max_size=60), st.binary(max_size=30))
def test_whatever_comes_in_the_target_is_a_path_of_one_host(path: bytes, query: bytes) -> None:
    found = model.target(b"/api/proxy/con_1/" + path, 4, query)
    if found is not None:
        assert found.startswith("/")
        assert not found.startswith("//")
        assert "://" not in found


@pytest.mark.parametrize(
    ("path", "paths", "passes"),
    [
        ("/orders", (), True),
        ("/orders/7", ("/orders/*",), True),
        ("/orders", ("/orders/*",), False),
        ("/orders", ("/orders", "/x"), True),
        ("/orders7", ("/orders",), False),
        ("/ordersecrets", ("/orders/*",), False),
    ],
)
def test_a_key_is_for_its_paths(path: str, paths: tuple[str, ...], passes: bool) -> None:
    assert model.may_pass(path, paths) is passes
