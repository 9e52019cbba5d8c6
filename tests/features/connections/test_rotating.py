"""New credentials in place of the old: tried first, both known for a while, nothing under way is lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from tests.given.connections import World, world

from isthmus.client import TokenRejected
from isthmus.engine.db import Database
from isthmus.features import connections
from isthmus.features.connections.service import finishing, sealing

HOME = "/api/tenant/integrations"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(database: Database) -> AsyncIterator[World]:
    async with world(database) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def here(opened: World) -> World:
    await opened.clear()
    opened.far.keys = {"canary-old": "acc_1", "canary-new": "acc_1", "other": "acc_2"}
    return opened


def refused(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def make(here: World) -> tuple[str, str]:
    side = here.side("ten_a")
    made = await side("POST", HOME, {"integrationId": "keys", "name": "Ours"})
    path = f"{HOME}/{made.json()['id']}"
    answer = await side("POST", f"{path}/connect/api-key", {"apiKey": "canary-old"})
    return path, answer.json()["connectionId"]


async def rotate(here: World, path: str, key: str = "canary-new", kind: str = "api_key") -> httpx2.Response:
    body: dict[str, Any] = {"credentialType": kind, "credentials": {"api_key": key}}
    return await here.side("ten_a")("PATCH", f"{path}/credentials", body)


async def test_new_credentials_are_named_and_never_shown(here: World) -> None:
    path, connection = await make(here)
    done = await rotate(here, path)
    assert done.status_code == 200, done.text
    assert done.json()["success"] is True
    assert done.json()["credentialSecretName"] == f"connections/{connection}/credentials/2"
    assert "canary" not in done.text
    told = await here.events("ten_a", "connection.credentials_rotated")
    assert [one["subject"] for one in told] == [connection]
    assert "canary" not in str(told)


async def test_while_both_may_be_known_the_old_ones_step_in_and_then_no_more(here: World) -> None:
    path, connection = await make(here)
    await rotate(here, path)
    scope = here.scope("ten_a")
    del here.far.keys["canary-new"]
    async with connections.session(scope, connection) as session:
        assert (await session.client.get("/me")).ok
    here.clock.advance(11 * 60)
    async with connections.session(scope, connection) as session:
        with pytest.raises(TokenRejected):
            await session.client.get("/me")
    await finishing.sweep(here.system)
    async with scope.tx() as tx:
        held = await tx.fetch_sql("select previous_credentials from connections where id = $1", connection)
    assert [row[0] for row in held] == [None]


async def test_a_call_under_way_ends_well_while_the_credentials_change(here: World) -> None:
    path, connection = await make(here)
    async with connections.session(here.scope("ten_a"), connection) as session:
        call = asyncio.ensure_future(session.client.get("/me"))
        await rotate(here, path)
        assert (await call).ok
        del here.far.keys["canary-old"]
        with pytest.raises(TokenRejected):
            await session.client.get("/me")
    async with connections.session(here.scope("ten_a"), connection) as session:
        assert (await session.client.get("/me")).ok


async def test_what_does_not_work_or_is_another_account_changes_nothing(here: World) -> None:
    path, connection = await make(here)
    wrong = await rotate(here, path, "canary-wrong")
    assert refused(wrong) == (400, "INVALID_CREDENTIALS")
    assert "canary-wrong" not in wrong.text
    assert refused(await rotate(here, path, "other")) == (409, "WRONG_ACCOUNT")
    assert refused(await rotate(here, path, kind="basic")) == (400, "WRONG_CREDENTIAL_KIND")
    assert refused(await rotate(here, path, kind="oauth")) == (409, "CONSENT_NEEDED")
    scope = here.scope("ten_a")
    async with scope.tx() as tx:
        keys = await sealing.open_keys(scope, tx, connection)
    assert (keys.now["api_key"].reveal(), keys.before) == ("canary-old", {})
    stranger = here.side("ten_b")
    body = {"credentialType": "api_key", "credentials": {"api_key": "x"}}
    assert refused(await stranger("PATCH", f"{path}/credentials", body)) == (404, "INTEGRATION_NOT_FOUND")


async def test_both_generations_are_sealed_anew_with_the_tenants_key(here: World) -> None:
    path, connection = await make(here)
    await rotate(here, path)
    scope = here.scope("ten_a")
    assert await sealing.reseal(scope, None, 10) is None
    async with scope.tx() as tx:
        keys = await sealing.open_keys(scope, tx, connection)
    assert [keys.now["api_key"].reveal(), keys.before["api_key"].reveal()] == ["canary-new", "canary-old"]


async def test_people_replace_their_own_credentials_with_the_same_overlap_and_nobody_elses(here: World) -> None:
    admin, ann = here.side("ten_a"), here.side("ten_a", "ann", "user")
    made = (await admin("POST", HOME, {"integrationId": "keys", "name": "Own", "userScoped": True})).json()
    own = f"/api/user/integrations/{made['id']}"
    body: dict[str, Any] = {"credentialType": "api_key", "credentials": {"api_key": "canary-new"}}
    assert refused(await ann("PATCH", f"{own}/credentials", body)) == (404, "CONNECTION_NOT_FOUND")
    assert (await ann("POST", f"{own}/connect/api-key", {"apiKey": "canary-old"})).status_code == 200
    done = await ann("PATCH", f"{own}/credentials", body)
    assert (done.status_code, done.json()["success"]) == (200, True), done.text
    connection = (await ann("GET", f"{own}/connection")).json()["connectionId"]
    del here.far.keys["canary-new"]
    scope = here.person("ten_a", "ann", "user")
    async with connections.session(scope, connection) as session:
        assert (await session.client.get("/me")).ok, "the old ones step in"
    assert refused(await admin("PATCH", f"{own}/credentials", body)) == (404, "CONNECTION_NOT_FOUND")
    other = {"credentialType": "api_key", "credentials": {"api_key": "other"}}
    assert refused(await ann("PATCH", f"{own}/credentials", other)) == (409, "WRONG_ACCOUNT")


async def test_a_key_comes_with_what_else_the_provider_asks_for(here: World) -> None:
    side = here.side("ten_a")
    made = await side("POST", HOME, {"integrationId": "keys", "name": "Further"})
    path = f"{HOME}/{made.json()['id']}/connect/api-key"
    body = {"apiKey": "canary-old", "credentials": {"shop": "north"}}
    answer = await side("POST", path, body)
    assert refused(answer) == (400, "WRONG_CREDENTIAL_KIND"), "this provider asks for no shop"
    assert answer.json()["error"]["details"]["fields"] == [
        {"path": "shop", "message": "The provider has no such credential."}
    ]
    assert (await side("POST", path, {"apiKey": "canary-old", "credentials": {}})).status_code == 200
