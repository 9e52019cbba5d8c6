"""Against an OAuth2 and OIDC server that nobody here wrote: code with PKCE, rotation, revocation, and many workers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from tests.features.connections.refresher import TENANT
from tests.given import connections as given
from tests.given import forks, independent, vault
from tests.given.connections import World
from tests.given.independent import Independent

from isthmus.engine.db import Database
from isthmus.features import connections
from isthmus.http import Credentials, Issuer, JwksKeys, TokenAuthenticator
from isthmus.kit.clock import SYSTEM
from isthmus.kit.errors import Unauthenticated

REFRESHER = Path(__file__).with_name("independent_refresher.py")
CONNECTIONS = 15


@dataclass
class Place:
    """A deployment, and the server."""

    world: World
    server: Independent
    folder: Path

    async def connected(self, person: str) -> str:
        """A whole consent of somebody; the connection's id."""
        side = self.world.side(TENANT)
        started = await self.world.start(side, independent.NAME)
        opened = await side.go(started["authorizationUrl"])
        assert opened.status_code == 303, opened.text
        back = await self.server.consent(opened.headers["location"], person)
        return given.query(await side.go(back))["connectionId"]

    async def who(self, connection_id: str) -> str:
        """Whose account answers."""
        async with connections.session(self.world.scope(TENANT), connection_id) as session:
            body = (await session.client.get("/me")).body
        assert isinstance(body, dict)
        return str(body["id"])

    async def expire(self, *ids: str) -> None:
        """The access tokens of these have run out."""
        async with self.world.system.tx() as tx:
            sql = "update connections set expires_at = now() - interval '1 minute' where id = any($1::text[])"
            await tx.execute_sql(sql, list(ids))
        for one in ids:
            await self.world.system.engine.part(connections.Clients).drop(TENANT, one)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("independent")
    async with given.world(database) as world, independent.independent(folder) as server:
        independent.offer(world.system, folder, server.url)
        await independent.register(world.system, vault.platform(world.system), server, given.BASE)
        yield Place(world, server, folder)


async def test_a_code_with_pkce_is_exchanged_and_the_account_is_known(place: Place) -> None:
    side = place.world.side(TENANT)
    started = await place.world.start(side, independent.NAME)
    asked = (await side.go(started["authorizationUrl"])).headers["location"]
    query = dict(parse_qsl(urlsplit(asked).query))
    assert (query["code_challenge_method"], query["response_type"]) == ("S256", "code")
    back = await side.go(await place.server.consent(asked, "amy"))
    made = given.query(back)["connectionId"]
    assert await place.who(made) == "amy"
    shown = (await side("GET", f"/api/connections/{made}")).json()
    assert (shown["status"], shown["account"]["id"]) == ("connected", "amy")


async def test_a_refused_consent_connects_nothing(place: Place) -> None:
    side = place.world.side(TENANT)
    started = await place.world.start(side, independent.NAME)
    asked = (await side.go(started["authorizationUrl"])).headers["location"]
    back = given.query(await side.go(await place.server.consent(asked, "ann", allow=False)))
    assert back["status"] == "failed"
    assert "connectionId" not in back


async def test_a_refresh_rotates_the_pair_and_the_connection_goes_on(place: Place) -> None:
    made = await place.connected("bea")
    for _ in range(3):
        await place.expire(made)
        assert await place.who(made) == "bea"
    async with place.world.system.tx() as tx:
        (row,) = await tx.fetch_sql("select status, token_version from connections where id = $1", made)
    assert (row["status"], row["token_version"]) == ("connected", 4)


async def test_a_disconnect_ends_the_grant_at_the_server(place: Place) -> None:
    made = await place.connected("cat")
    before = (await place.server.state())["refresh"]
    assert await connections.disconnect(place.world.scope(TENANT), made) == "revoked"
    assert (await place.server.state())["refresh"] == before - 1


@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=pytest.mark.proof)])
async def test_workers_that_refresh_at_once_leave_15_of_15_connections_usable(
    place: Place, database_url: str, workers: int
) -> None:
    people = [f"w{workers}-{number}" for number in range(CONNECTIONS)]
    ids = [await place.connected(person) for person in people]
    await place.expire(*ids)
    command = (str(REFRESHER), database_url, str(place.folder), str(3 * CONNECTIONS), *ids)
    pipe = asyncio.subprocess.PIPE
    running = [await forks.process(*command, stdin=pipe, stdout=pipe) for _ in range(workers)]
    for one in running:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"
    done = await asyncio.gather(*[one.communicate(b"\n") for one in running])
    assert [int(said or 0) for said, _ in done] == [3 * CONNECTIONS] * workers
    # one refresh each, whoever did it, and every grant is alive
    async with place.world.system.tx() as tx:
        sql = "select status, token_version from connections where id = any($1::text[])"
        rows = await tx.fetch_sql(sql, ids)
    assert {(row["status"], row["token_version"]) for row in rows} == {("connected", 2)}
    await place.expire(*ids)
    assert [await place.who(one) for one in ids] == people


async def test_JT_01_tokens_of_the_independent_issuer_are_believed_by_its_published_keys(place: Place) -> None:
    redirect = f"{given.BASE}/back"
    await place.server.register(redirect)
    keys = JwksKeys.at(f"{place.server.url}/o/.well-known/jwks.json", SYSTEM)
    name = "https://independent.example"
    issuer = Issuer(name=name, keys=keys, algorithms=("RS256",), audience="isthmus", tenants=frozenset({"ten_listed"}))
    door = TokenAuthenticator([issuer], SYSTEM)
    reply = await place.server.access_token(redirect, "ten_listed+user")
    found = await door.verify(Credentials("bearer", reply["access_token"]))
    assert found is not None
    assert (found.principal.tenant_id, found.principal.roles) == ("ten_listed", frozenset({"user"}))
    foreign = await place.server.access_token(redirect, "ten_other+user")
    for refused in (foreign["access_token"], reply["id_token"], reply["access_token"][:-6] + "AAAAAA"):
        with pytest.raises(Unauthenticated):
            await door.verify(Credentials("bearer", refused))
