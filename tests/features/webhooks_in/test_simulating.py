"""Samples of every platform, signed as it signs, at a tenant's own endpoint: through the guard, and marked."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.given import vault as safe
from tests.given import webhooks_in as given
from tests.given import webhooks_out as out
from tests.given.webhooks_in import World

from isthmus.connect import registry
from isthmus.engine.db import Database
from isthmus.features.webhooks_in.errors import CannotSimulate, PushesNothing
from isthmus.features.webhooks_in.model import signing
from isthmus.features.webhooks_in.model.inbound import Inbound
from isthmus.features.webhooks_in.model.verifying import LiveSecret, verify
from isthmus.features.webhooks_in.routes.shapes import Simulate
from isthmus.features.webhooks_in.routes.simulator import simulate as route
from isthmus.features.webhooks_in.service import simulating
from isthmus.features.webhooks_in.service.simulating import Wish
from isthmus.features.webhooks_out import Catalogue, Draft, EndpointIdle, EndpointNotFound, Sender, Settings, create
from isthmus.features.webhooks_out.events import EMITS
from isthmus.kit.clock import SYSTEM
from isthmus.kit.errors import Invalid
from isthmus.kit.secret import Secret

TEN, KEY = "ten_one", Secret("c2VjcmV0IG9mIGEgdGVzdCwgbG9uZyBlbm91Z2g=")
#: Everybody whose samples anybody with the secret can sign.
SIGNABLE = sorted(
    name
    for name, found in registry.discover().items()
    if (scheme := found.manifest.webhooks) is not None
    and scheme.samples
    and any(one.kind in {"hmac", "hash", "token"} and one.where.startswith("header:") for one in scheme.signatures)
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Database) -> AsyncIterator[World]:
    settings = Settings(**out.QUICK)
    sender = Sender(settings)
    made = given.world(database, parts={Settings: settings, Sender: sender, Catalogue: Catalogue(EMITS)})
    yield made
    await sender.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sink() -> AsyncIterator[out.Sink]:
    async with out.sink() as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(world: World, sink: out.Sink) -> str:
    made = await create(world.scope(TEN), Draft(url=sink.url))
    return made.endpoint.id


def key(name: str) -> Secret:
    """A secret of the form that the platform has."""
    return {"standard_webhooks": Secret(f"whsec_{KEY.reveal()}"), "adyen": Secret("ab" * 32)}.get(name, KEY)


@pytest.mark.parametrize("name", SIGNABLE)
async def test_a_sample_of_each_platform_is_believed_by_whoever_has_the_secret(
    world: World, sink: out.Sink, endpoint: str, name: str
) -> None:
    scope, scheme = world.scope(TEN), registry.discover()[name].manifest.webhooks
    assert scheme is not None
    app = dict.fromkeys(scheme.app_fields, "100001")
    before = len(sink.bodies)
    signer = await simulating.of_provider(scope, name, key(name), app)
    answer = await simulating.send(scope, endpoint, signer, Wish())
    assert (answer.outcome.status, len(sink.bodies)) == (204, before + 1)
    headers = dict(sink.heads[-1])
    assert headers["isthmus-simulated"] == "true"
    request = signing.request("POST", sink.url, headers, sink.bodies[-1])
    verdict = verify(Inbound(request, app), scheme, [LiveSecret(key(name))], SYSTEM.now())
    assert verdict.accepted, verdict


async def test_what_is_edited_is_signed_as_edited_with_the_secret_of_a_source(
    world: World, sink: out.Sink, endpoint: str
) -> None:
    seen, _ = await world.source(TEN)
    wish = {"sourceId": seen.source.id, "endpointId": endpoint, "topic": "push", "body": '{"edited":true}'}
    answer = json.loads(bytes((await route(world.scope(TEN), Simulate.model_validate(wish))).body))
    assert (answer["status"], answer["accepted"], answer["id"]) == (204, True, None)
    assert sink.bodies[-1] == b'{"edited":true}'
    assert await world.rows("select id from webhook_inbox") == []


async def test_it_goes_to_endpoints_of_the_tenant_alone_that_have_answered_a_ping(world: World, endpoint: str) -> None:
    scope = world.scope(TEN)
    signer = await simulating.of_provider(scope, "github", KEY, {})
    with pytest.raises(EndpointNotFound):
        await simulating.send(world.scope("ten_two"), endpoint, signer, Wish())
    waiting = await create(scope, Draft(url="http://127.0.0.1:9/hook"), verify=True)
    with pytest.raises(EndpointIdle):
        await simulating.send(scope, waiting.endpoint.id, signer, Wish())
    with pytest.raises(PushesNothing):
        await simulating.of_provider(scope, "tiki", KEY, {})
    for wish in (Wish(), Wish(body="{}")):
        with pytest.raises(CannotSimulate):
            await simulating.send(scope, endpoint, await simulating.of_provider(scope, "discord", KEY, {}), wish)
    with pytest.raises(Invalid):
        await route(scope, Simulate.model_validate({"endpointId": endpoint}))


async def test_SS_09_an_address_that_may_not_be_called_looks_like_a_closed_port(
    database: Database, sink: out.Sink
) -> None:
    """The guard of every message stands here too."""
    settings = Settings(**{**out.QUICK, "allow_networks": ()})
    sender = Sender(settings)
    system = safe.process(database, parts={Settings: settings, Sender: sender, Catalogue: Catalogue(EMITS)})
    scope = safe.scope(system, TEN)
    async with system.tx() as tx:
        row = (await tx.fetch_sql("select id from webhook_endpoints where tenant_id = $1 and state = 'active'", TEN))[0]
    signer = simulating.Signer("github", registry.discover()["github"].manifest.webhooks, KEY, {})  # type: ignore[arg-type] # it has one
    before = len(sink.bodies)
    answer = await simulating.send(scope, row["id"], signer, Wish())
    assert (answer.outcome.status, answer.outcome.error, len(sink.bodies)) == (None, "unreachable", before)
    await sender.aclose()
