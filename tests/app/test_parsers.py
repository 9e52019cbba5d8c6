"""Every parser of what strangers send ends with its result or with a refusal in words, and with nothing else (PA-13).

The short run tries some hundred inputs of each; `make proof` goes on for half a minute each, which together are the ten
minutes of a night, and holds the memory of all of them under a cap. An input that broke one becomes a seed here.
"""

import gzip
import io
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache

import psutil
import pytest
from tests.given.connectors import shipped
from tests.given.mutations import many

from isthmus.client.body import unpack
from isthmus.client.errors import ClientError
from isthmus.client.json import loads
from isthmus.client.sse import EventParser
from isthmus.client.url import parse as parse_url
from isthmus.connect.conformance import samples
from isthmus.connect.faults import DATA_FAULTS
from isthmus.connect.spi import Account, RawRecord, ReadsOrders, Unmappable
from isthmus.connect.webhooks import Webhooks
from isthmus.features.catalog.model.document import new_provider
from isthmus.features.catalog.service.files import read_file
from isthmus.features.uploads.errors import UnreadableFile
from isthmus.features.uploads.model import markup
from isthmus.features.uploads.model.rows import rows
from isthmus.features.uploads.model.source import detect
from isthmus.features.uploads.service.receiving import shown_name
from isthmus.features.webhooks_in.model import expressions
from isthmus.features.webhooks_in.model.inbound import Inbound, Request
from isthmus.features.webhooks_in.model.verifying import LiveSecret, verify
from isthmus.features.webhooks_out.errors import WrongSchema
from isthmus.features.webhooks_out.model import check_schema
from isthmus.features.widgets.model import read_filters
from isthmus.http import attachment
from isthmus.http.bodies import parse_json, parse_query
from isthmus.http.errors import BadCursor
from isthmus.http.paging import Cursors
from isthmus.kit import money, patterns, text, yamls
from isthmus.kit.clock import ManualClock
from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret

Parser = Callable[[bytes], object]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CURSORS = Cursors(Secret("k" * 40), ManualClock())
_RECORD = b'{"id": 1, "data": {"name": "Tea", "price": "2.50", "at": "2026-01-01T00:00:00Z", "tags": [1, null, true]}}'
_CSV = b'product_id,title,sku,price,stock\r\np1,"Tea, ""green""",T-1,2.50,10\r\np2,Mug,M-1,7,5\r\n'
_XML = (
    b'<?xml version="1.0"?><feed><item id="1"><a>x &amp; y</a><b><![CDATA[<i>]]></b></item><item><a>z</a></item></feed>'
)
_YAML = (
    b"provider: acme\nname: Acme\nentities:\n  - name: people\n    fields: [a, b]\nsettings: {port: 80, tls: true}\n"
)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _uploaded(content: bytes) -> int:
    source = detect(content, whole=True)
    return sum(1 for _ in rows(io.BytesIO(content), source, source.mark, 0))


def _streamed(content: bytes) -> int:
    parser = EventParser()
    return sum(parser.feed(line) is not None for line in content.split(b"\n"))


def _evaluated(content: bytes) -> object:
    expression, _, document = _text(content).partition("\n")
    return expressions.evaluate(expression, {"a": [1, 2, {"b": document}], "data": {"id": 7}})


def _schema(content: bytes) -> None:
    found = parse_json(content)
    if isinstance(found, dict):
        check_schema(found)


def _provider(content: bytes) -> object:
    return new_provider(read_file(_text(content)))


def _verified(content: bytes) -> None:
    """By every scheme that comes with us: the head and the body of a request, a line of headers first."""
    line, _, body = content.partition(b"\n")
    value = line.decode("latin-1")
    names = {one.where.partition(":")[2] for scheme in _schemes() for one in scheme.signatures}
    headers = dict.fromkeys(filter(None, names), value)
    inbound = Inbound(Request("POST", "https://a.example/hooks/x", (("sign", value),), headers, body))
    for scheme in _schemes():
        verdict = verify(inbound, scheme, [LiveSecret(Secret("s" * 32))], NOW)
        assert verdict.reason or verdict.accepted


@cache
def _schemes() -> Sequence[Webhooks]:
    found = (one.manifest.webhooks for one in shipped().values())
    return [one for one in found if one is not None and one.signatures]


def _mapped(content: bytes) -> None:
    """By every connector that maps: a record that any platform might have sent."""
    account = Account("acc_1", "Shop", "VN")
    for found in shipped().values():
        connector = found.connector
        if connector is None:
            continue
        maps = [connector.map_listing, *([connector.map_order] if isinstance(connector, ReadsOrders) else [])]
        for one in maps:
            try:
                one(RawRecord("r1", content), account)
            except (Unmappable, *DATA_FAULTS):
                continue


@cache
def _payloads() -> list[bytes]:
    found: list[bytes] = []
    for one in shipped().values():
        if one.connector is not None and (one.folder / "samples").is_dir():
            read = samples.read(one.folder)
            found += [bytes(sample.payload) for sample in samples.of(samples.ListingSample, read)[:1]]
            found += [bytes(sample.payload) for sample in samples.of(samples.OrderSample, read)[:1]]
    return found


#: What each is called with, what it may raise, and what good input of it looks like.
PARSERS: Mapping[str, tuple[Parser, tuple[type[BaseException], ...], Sequence[bytes]]] = {
    "bodies": (parse_json, (Invalid,), [_RECORD, b"[" * 64 + b"]" * 64]),
    "queries": (parse_query, (Invalid,), [b"limit=10&sortBy=name&filters=%7B%22a%22%3A1%7D", b"a=%C3%A1+b"]),
    "yaml": (lambda given: yamls.read(_text(given), 100_000), (ValueError,), [_YAML, _RECORD]),
    "patterns": (
        lambda given: patterns.check(_text(given)),
        (ValueError,),
        [rb"^sha256=(?P<value>[0-9a-f]{64})$", b"a|b?", b"[[a]"],
    ),
    "providers": (_provider, (Invalid,), [_YAML, b"provider: a\nname: a\ndisplayName: A\nauthType: api_key\n"]),
    "cursors": (lambda given: CURSORS.open(_text(given), ["a"]), (BadCursor,), [CURSORS.seal("p", ["a"]).encode()]),
    "numbers": (lambda given: money.decimal(_text(given)), (ValueError,), [b"2.50", b"-1e3", b"12,345.6"]),
    "markup": (lambda given: text.from_html(_text(given)), (), [b"<p>A &amp; B</p><ul><li>x</li></ul>"]),
    "names": (lambda given: attachment(shown_name(_text(given))), (), [b"../../a.csv", "Đơn hàng\u202e.csv".encode()]),
    "filters": (
        lambda given: read_filters(_text(given), frozenset()),
        (Invalid,),
        [b'{"status": "active", "price": {"gte": 5, "in": [1, 2]}}'],
    ),
    "schemas": (_schema, (Invalid, WrongSchema), [b'{"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}}']),
    "expressions": (_evaluated, (expressions.ExpressionFailed,), [b"a[?b == `1`].b | [0]\nx", b"sort_by(a, &b)"]),
    "signatures": (
        _verified,
        (),
        [b"t=1767225600,v1=" + b"a" * 64 + b"\n" + _RECORD, b"sha256=" + b"0" * 64 + b"\na=b"],
    ),
    "replies": (lambda given: loads(given, "application/json"), (ClientError,), [_RECORD, b"\xef\xbb\xbf{}"]),
    "packed replies": (lambda given: unpack(given, "gzip", 100_000), (ClientError,), [gzip.compress(_RECORD * 20)]),
    "event streams": (_streamed, (ClientError,), [b"id: 1\nevent: a\ndata: {}\n\n: c\nretry: 10\ndata: x\n\n"]),
    "addresses": (
        lambda given: parse_url(_text(given)),
        (ClientError,),
        [b"https://a.example:8443/b?c=d#e", b"http://[::1]/"],
    ),
    "uploads": (
        _uploaded,
        (UnreadableFile, markup.Broken),
        [_CSV, b"[" + _RECORD + b"]", _RECORD + b"\n" + _RECORD, _XML],
    ),
    "records": (_mapped, (), _payloads()),
}


def _try(name: str, content: bytes) -> None:
    parser, refusals, _ = PARSERS[name]
    try:
        parser(content)
    except refusals as refused:
        assert str(refused) or refusals  # noqa: PT017 - either way is fine
    except Exception as failure:
        raise AssertionError(f"{name} broke of {content[:2_000]!r}") from failure


@pytest.mark.parametrize("name", PARSERS)
def test_PA_13_some_hundred_strange_inputs_end_in_a_result_or_a_refusal(name: str) -> None:
    count = 40 if name in {"records", "signatures"} else 250
    for content in many(PARSERS[name][2], 1, count):
        _try(name, content)


@pytest.mark.proof
@pytest.mark.parametrize("name", PARSERS)
def test_PA_13_half_a_minute_of_strange_inputs_breaks_nothing_and_holds_no_memory(name: str) -> None:
    process, began, seed = psutil.Process(), time.process_time(), int.from_bytes(os.urandom(4))
    _try(name, PARSERS[name][2][0])
    before = process.memory_info().rss
    while time.process_time() - began < 30:
        for content in many(PARSERS[name][2], seed, 200):
            _try(name, content)
        seed += 1
    assert process.memory_info().rss - before < 100 * 1024 * 1024


def test_PA_13_no_parser_of_the_edge_is_left_out() -> None:
    named = " ".join(PARSERS)
    for kind in ("bodies", "queries", "yaml", "replies", "uploads", "signatures", "records", "expressions"):
        assert re.search(rf"\b{kind}\b", named)
