"""What was asked of a platform stands beside what could not be read of its answer, without its secrets."""

from collections.abc import AsyncIterator

import msgspec
import pytest_asyncio
from hypothesis import given as examples
from hypothesis import strategies as some
from multidict import CIMultiDict
from tests.given import records as given_records
from tests.given import sync as given
from tests.given.edge import Edge
from tests.house_database import Copy

from isthmus.client import AttemptEnded, Request, Response, listener
from isthmus.client.url import parse
from isthmus.engine.db import Database
from isthmus.features import sync
from isthmus.features.sync.model import Asked, ItemError, exchange, kept
from isthmus.features.sync.routes import routes
from isthmus.kit.permissions import TENANT_ADMIN
from isthmus.scope import Scope, System

TENANT = "ten_one"


@pytest_asyncio.fixture
async def base(database: Database, copied: Copy) -> AsyncIterator[Database]:
    yield database
    await given_records.clear(copied)


def _calls(*urls: str, body: bytes = b"") -> None:
    """The platform is asked these, and answers 200."""
    tell = listener.get()
    assert tell is not None
    for url in urls:
        headers = CIMultiDict({"content-type": "application/json"})
        request = Request("POST" if body else "GET", parse(url), headers, body or None)
        answer = Response(200, CIMultiDict(), b"", request)
        tell(AttemptEnded(request, 1, 0.1, answer, None, None, None))


async def _errors(edge: Edge, scope: Scope) -> dict[str, dict[str, object]]:
    body = {"connectionId": "con_one"}
    run = (await edge.call("POST", "/api/sync/products", tenant=TENANT, json=body)).json()["id"]
    await sync.work(scope, run)
    found = (await edge.get(f"/api/sync/runs/{run}/errors", tenant=TENANT, role=TENANT_ADMIN)).json()["items"]
    return {one["externalId"]: one["request"] for one in found}


async def test_LO_04_an_item_error_names_the_call_it_came_by_with_its_secrets_hidden(base: Database) -> None:
    shop = given.Shelf({"a": "?", "b": "?", "c": "Giày", "d": "?"}, page_size=3)
    scope = given.scope(base, {"con_one": shop})

    async def asked(cursor: str | None) -> None:
        if cursor is None:
            _calls("https://shop.example/list?offset=0&access_token=tkn-12345&sign=abc", "https://shop.example/items/b")
        else:
            _calls("https://shop.example/graphql", body=b'{"query": "{d}", "variables": {"password": "hunter2"}}')

    shop.before = asked
    found = await _errors(Edge(System(scope.engine), routes), scope)
    listed = "https://shop.example/list?offset=0&access_token=***&sign=***"
    assert found["a"] == {"method": "GET", "url": listed, "body": "", "status": 200}
    assert found["b"]["url"] == "https://shop.example/items/b"
    assert found["d"]["method"] == "POST"
    assert "hunter2" not in str(found)


async def test_an_error_without_a_call_says_so(base: Database) -> None:
    scope = given.scope(base, {"con_one": given.Shelf({"a": "?"})})
    assert await _errors(Edge(System(scope.engine), routes), scope) == {"a": None}


_asked = some.builds(Asked, some.text(), some.text(), some.text(), some.integers(100, 599))


@examples(some.none() | _asked, some.binary())
def test_a_call_and_what_was_sent_come_apart_again(asked: Asked | None, payload: bytes) -> None:
    if asked is None and payload[:1] == b"\0":
        payload = payload.lstrip(b"\0")
    assert exchange(kept(ItemError("x", "bad", payload, asked))) == (asked, payload)


@examples(some.binary())
def test_what_was_stored_without_a_call_is_never_lost(payload: bytes) -> None:
    found, sent = exchange(b"\0" + payload)
    assert found is None or msgspec.json.encode(found) in payload
    assert sent == b"\0" + payload or found is not None
