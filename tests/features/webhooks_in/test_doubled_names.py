"""A body that says a name twice means the same to whoever reads it: the last one counts everywhere (PA-02)."""

import json
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given as drawn
from hypothesis import strategies as st
from tests.given import webhooks_in as given
from tests.given.webhooks_in import World

from isthmus.engine.db import Database
from isthmus.features.webhooks_in.model.inbound import Inbound, Request

BODY = b'{"action": "deleted", "data": {"id": 1, "id": 2}, "action": "created"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    yield given.world(database)


async def test_PA_02_the_verifier_the_reader_and_the_database_see_one_meaning(world: World) -> None:
    seen, token = await world.source("ten_one")
    answer = await world.push("ten_one", seen, token, BODY, X_GitHub_Event="issues", X_GitHub_Delivery="d-1")
    assert answer.status == 200
    (row,) = await world.rows(
        "select body, webhook_json(body) ->> 'action' as action, webhook_json(body) #>> '{data,id}' as id "
        "from webhook_inbox"
    )
    # what was verified is what is kept, to the byte
    assert row["body"] == BODY
    read = Inbound(Request("POST", "", (), {}, row["body"]))
    assert (read.text("body:action"), read.text("body:data.id")) == (row["action"], row["id"]) == ("created", "2")
    assert msgspec.json.decode(BODY) == json.loads(BODY)


@drawn(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=1, max_size=6))
def test_PA_02_both_parsers_of_the_house_agree(pairs: list[tuple[str, int]]) -> None:
    body = "{" + ",".join(f'"{name}": {value}' for name, value in pairs) + "}"
    assert msgspec.json.decode(body) == json.loads(body) == dict(pairs)


@pytest.mark.parametrize("path", ["action", "data.id"])
def test_a_hint_reads_the_last_of_two(path: str) -> None:
    found = Inbound(Request("POST", "", (), {}, BODY)).text(f"body:{path}")
    assert found in {"created", "2"}
