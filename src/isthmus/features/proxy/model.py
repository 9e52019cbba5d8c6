"""What passes: headers in both directions, and paths that keys are for (pure)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote_plus

Header = tuple[str, str]

#: RFC 9110 section 7.6.1, and those of older times: they are about one connection and not about the message.
_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade")
)
#: What the client or the server of each side writes itself.
_OWN_ASKED = frozenset(("host", "content-length", "accept-encoding", "expect", "user-agent", "via", "max-forwards"))
#: What tells of the caller's own network, browser or session.
_CALLER = frozenset(
    (
        "forwarded",
        "origin",
        "referer",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "fastly-client-ip",
        "client-ip",
        "x-request-id",
        "cookie",
        "cookie2",
        "from",
    )
)
#: What many frameworks take for the method, or the path, in place of the one that was sent: a right to read must not
#: delete, and a key for some paths must not reach others.
_OVERRIDES = frozenset(
    (
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-original-uri",
        "x-rewrite-url",
    )
)
#: The same in a query, and what WordPress takes for the path there, whatever path was sent.
_METHOD, _PATH = "_method", "rest_route"
_CALLER_BEGINS = ("x-forwarded-", "sec-", "proxy-", "cf-", "x-isthmus-", "isthmus-")
#: A name that looks like a credential is one: the connection's own are attached behind this.
_CREDENTIAL = re.compile(r"authori[sz]ation|authenticat|api[-_]?key|token|secret|password|signature|credential|session")
#: What the edge says of every answer itself, and what must not reach a browser from here.
_OWN_ANSWERED = frozenset(
    (
        "content-length",
        "content-encoding",
        "date",
        "server",
        "set-cookie",
        "set-cookie2",
        "cache-control",
        "vary",
        "x-request-id",
        "x-content-type-options",
        "referrer-policy",
        "content-security-policy",
        "content-security-policy-report-only",
        "strict-transport-security",
        "alt-svc",
        "via",
        "www-authenticate",
        "proxy-authenticate",
        "clear-site-data",
        "refresh",
        "service-worker-allowed",
        "sourcemap",
        "report-to",
        "nel",
        "x-break-glass",
        "edge-control",
    )
)
_OWN_ANSWERED_BEGINS = (
    *("access-control-", "cross-origin-", "x-ratelimit-", "proxy-", "isthmus-"),
    # what a server or cache in front of us does by: send a file of its own, or keep what is one tenant's
    *("x-accel-", "x-sendfile", "x-lighttpd-", "x-litespeed-", "x-reproxy-", "surrogate-"),
)
#: The end of the names by which single caches are told what to keep.
_CACHES = "cdn-cache-control"
#: Says what the packed bytes come to, which are not those that we pass on.
_OF_PACKED = frozenset(("content-md5", "digest", "content-digest"))
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_UNPRINTED = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: Says that an answer is the platform's own and not ours.
ANSWERED = ("isthmus-answered-by", "platform")
#: Where the platform sends the caller, if that is not a place of the connection's.
ELSEWHERE = "isthmus-location"


def asked_headers(given: Iterable[Header]) -> dict[str, str]:
    """The caller's headers that go on: none about its connection, itself or its credentials.

    What is given more than once goes on as one list (RFC 9110 section 5.3). A part of a reply is asked for unpacked:
    what is a part of packed bytes nobody could unpack.
    """
    pairs = [(name.lower(), value) for name, value in given]
    named = _named_by_connection(pairs)
    kept: dict[str, str] = {}
    for name, value in pairs:
        if name not in named and _goes_on(name):
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    if "range" in kept:
        kept["accept-encoding"] = "identity"
    return kept


@lru_cache(maxsize=2048)
def _goes_on(name: str) -> bool:
    """Servers behind CGI and WSGI take `a_b` for `a-b`."""
    meant = name.replace("_", "-").replace(".", "-")
    return not (
        meant in _HOP
        or meant in _OWN_ASKED
        or meant in _CALLER
        or meant in _OVERRIDES
        or meant.startswith(_CALLER_BEGINS)
        or _CREDENTIAL.search(meant)
    )


def answered_headers(given: Iterable[Header]) -> list[Header]:
    """The platform's headers that go back: none about its connection, and none that the edge or a browser acts on."""
    pairs = [(name.lower(), value) for name, value in given]
    named = _named_by_connection(pairs)
    if any(name == "content-encoding" and value.lower() != "identity" for name, value in pairs):
        named |= _OF_PACKED
    return [(name, value) for name, value in pairs if name not in named and _comes_back(name, value)]


def _comes_back(name: str, value: str) -> bool:
    return not (
        name in _HOP
        or name in _OWN_ANSWERED
        or name.startswith(_OWN_ANSWERED_BEGINS)
        or name.endswith(_CACHES)
        or _CREDENTIAL.search(name)
        or not _NAME.fullmatch(name)
        or _UNPRINTED.search(value)
    )


def _named_by_connection(pairs: Iterable[Header]) -> frozenset[str]:
    return frozenset(
        word.strip().lower() for name, value in pairs if name == "connection" for word in value.split(",") if word
    )


def target(raw_path: bytes, prefix: int, query: bytes) -> str | None:
    """The path at the platform, encoded as the caller encoded it; None where it can be read in more than one way.

    prefix: how many segments of ours stand before it. The edge has refused encoded slashes and dot segments already;
    a second layer of encoding would bring them back.
    """
    path = b"/" + b"/".join(raw_path.split(b"/")[prefix:])
    lowered = path.lower()
    if b"%25" in lowered or b"//" in path or b"\\" in path:
        return None
    segments = lowered.replace(b"%2e", b".").split(b"/")
    if b"." in segments or b".." in segments:
        return None
    text = path.decode("ascii", "replace")
    if not text.isascii():
        return None
    # A colon has no meaning in a query; written out it might be taken for an address of its own.
    asked = query.decode("ascii", "replace").replace(":", "%3A")
    return f"{text}?{asked}" if asked else text


def names_another(target_: str, *, method: bool, path: bool) -> bool:
    """Whether the query says that another method, or another path, is meant than the one that was judged."""
    watched = {name for name, on in ((_METHOD, method), (_PATH, path)) if on}
    parts = re.split("[&;]", target_.partition("?")[2]) if watched else ()
    return any(_name_of(part) in watched for part in parts)


def _name_of(part: str) -> str:
    """As the most lenient reader takes it: PHP writes `.method`, `+_method` and `%5fmethod[]` all as `_method`."""
    name = unquote_plus(part.partition("=")[0], errors="replace").lstrip(" ").partition("\x00")[0]
    return re.sub("[. ]", "_", name).partition("[")[0].lower()


def may_pass(path: str, paths: Sequence[str]) -> bool:
    """Whether a path is one of those; `*` at the end of one is for all that follows. Without any, all may pass."""
    return not paths or any(_fits(path, one) for one in paths)


def _fits(path: str, pattern: str) -> bool:
    if not pattern.endswith("*"):
        return path == pattern
    return path.startswith(pattern[:-1])


def length_of(headers: Mapping[str, str]) -> int | None:
    """The length that a whole, unpacked reply says of itself."""
    said = headers.get("content-length", "")
    packed = headers.get("content-encoding", "identity").lower() != "identity"
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 and not packed else None
