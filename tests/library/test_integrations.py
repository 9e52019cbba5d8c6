"""`isthmus.Integrations` in a Python service of one's own: document 003's examples, written the Python way."""

import asyncio
import hmac
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

import pytest
import pytest_asyncio
from aiohttp import web
from tests.house_database import Copy

import isthmus
from isthmus import library
from isthmus.client import ClientError
from isthmus.features import connections
from isthmus.features.webhooks_in.service import routing
from isthmus.kit.errors import Invalid, NotFound, Problem
from isthmus.library import Given, House, Integrations, open_house
from isthmus.library.opening import own_tenant

MASTER = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"


class Stripe:
    """A far side that knows one key."""

    def __init__(self) -> None:
        self.key = "sk_test_ok"
        self.down = False

    async def account(self, request: web.Request) -> web.Response:
        if self.down:
            return web.json_response({"error": "down"}, status=500)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "Invalid API Key"}}, status=401)
        return web.json_response({"id": "acct_1"})


@asynccontextmanager
async def serving(far: Stripe) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes([web.get("/v1/account", far.account)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def far() -> Stripe:
    return Stripe()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(copied: Copy, far: Stripe, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    home: Path = tmp_path_factory.mktemp("library")
    async with serving(far) as url:
        settings = {
            "ISTHMUS_DATABASE_DIRECT_URL": copied.owner_url,
            "ISTHMUS_PROVIDERS__STRIPE__HOSTS__API": url,
            "ISTHMUS_CONNECTIONS__CALL_ATTEMPTS": "1",
            "ISTHMUS_DATABASE_CONNECTIONS": "3",
        }
        given = isthmus.Given(database_url=copied.url, home=home, master_key=MASTER, work=False, settings=settings)
        async with open_house(given) as opened:
            yield opened


@pytest.fixture
def integrations(house: House, far: Stripe) -> Integrations:
    far.key, far.down = "sk_test_ok", False
    return Integrations(house)


async def test_an_integration_is_created_tested_activated_and_watched(integrations: Integrations) -> None:
    payments = await integrations.create(
        "Stripe Payment Gateway",
        "stripe",
        description="Process payments via Stripe",
        credentials={"api_key": "sk_test_ok"},
    )
    assert (payments.status, payments.enabled, payments.category) == ("active", True, "payment")
    trial = await integrations.test(payments.id)
    assert (trial.success, trial.details["accountId"]) == (True, "acct_1")
    assert (await integrations.deactivate(payments.id)).status == "inactive"
    assert (await integrations.activate(payments.id)).status == "active"
    [listed] = await integrations.list(provider="stripe")
    assert (listed.name, listed.type) == ("Stripe Payment Gateway", "payment")
    await integrations.delete(payments.id)
    with pytest.raises(connections.IntegrationNotFound):
        await integrations.get(payments.id)


async def test_calls_through_its_client_are_counted_and_failures_logged(
    integrations: Integrations, far: Stripe
) -> None:
    made = await integrations.create("Counted", "stripe", credentials={"api_key": "sk_test_ok"})
    async with integrations.client(made.id) as client:
        for _ in range(3):
            await client.get("/account")
        far.down = True
        with pytest.raises(ClientError):
            await client.get("/account")
    metrics = await integrations.metrics(made.id)
    assert (metrics.total_requests, metrics.failed_requests) == (4, 1)
    assert (metrics.success_rate, metrics.error_rate) == (75.0, 25.0)
    assert metrics.average_response_time >= 0
    assert metrics.last_activity is not None
    logs = await integrations.logs(made.id, 50)
    assert [(one.level, one.method, one.status) for one in logs] == [("warning", "GET", 500)]
    for text in ("ACCOUNT", "get", logs[0].code, logs[0].message):
        assert await integrations.logs(made.id, 1, search=text) == logs
    assert await integrations.logs(made.id, search="nothing of it") == []
    await integrations.delete(made.id)


async def test_without_credentials_it_is_configured_until_some_work(integrations: Integrations, far: Stripe) -> None:
    made = await integrations.create("Later", "stripe")
    assert made.status == "configuring"
    assert (await integrations.metrics(made.id)).total_requests == 0
    assert list(await integrations.logs(made.id)) == []
    with pytest.raises(Problem) as refusal:
        await integrations.connect(made.id, {"api_key": "sk_test_wrong"})
    assert refusal.value.code == "INVALID_CREDENTIALS"
    assert "sk_test_wrong" not in str(refusal.value)
    assert (await integrations.connect(made.id, {"api_key": "sk_test_ok"})).status == "active"
    far.key = "sk_test_next"
    assert (await integrations.connect(made.id, {"api_key": "sk_test_next"})).status == "active"
    await integrations.delete(made.id)


async def test_what_does_not_work_leaves_nothing_behind(integrations: Integrations) -> None:
    with pytest.raises(Problem) as refusal:
        await integrations.create("Never", "stripe", credentials={"api_key": "sk_test_wrong"})
    assert refusal.value.code == "INVALID_CREDENTIALS"
    assert list(await integrations.list(search="Never")) == []
    with pytest.raises(Problem) as unknown:
        await integrations.create("Never", "nobody")
    assert unknown.value.code == "PROVIDER_NOT_FOUND"


async def test_what_is_no_text_or_no_fact_of_it_is_told_before_anything_is_made(integrations: Integrations) -> None:
    unset: dict[str, Any] = {"api_key": None}
    with pytest.raises(Invalid) as refusal:
        await integrations.create("Unset", "stripe", credentials=unset)
    assert refusal.value.details["fields"][0]["path"] == "credentials.api_key"
    assert list(await integrations.list(search="Unset")) == []
    made = await integrations.create("Fixed", "stripe")
    from_a_request: dict[str, Any] = {"name": "Free", "tenant_id": "ten_platform", "id": "int_other"}
    with pytest.raises(TypeError, match="id, tenant_id"):
        await integrations.update(made.id, **from_a_request)
    assert (await integrations.get(made.id)).name == "Fixed"
    await integrations.delete(made.id)


async def test_bounds_that_cannot_be_are_told_by_their_names(integrations: Integrations) -> None:
    made = await integrations.create("Bounds", "stripe")
    level: Any = "debug"
    for asked, path in (
        (integrations.list(limit=0), "limit"),
        (integrations.list(limit=101), "limit"),
        (integrations.list(offset=-1), "offset"),
        (integrations.logs(made.id, 0), "limit"),
        (integrations.logs(made.id, level=level), "level"),
        (integrations.metrics(made.id, over=timedelta(0)), "over"),
        (integrations.metrics(made.id, over=timedelta(days=32)), "over"),
    ):
        with pytest.raises(Invalid) as refusal:
            await asked
        assert refusal.value.details["fields"][0]["path"] == path
    await integrations.delete(made.id)


def test_what_is_given_shows_no_secret() -> None:
    settings = {"ISTHMUS_PROVIDERS__STRIPE__CLIENT_SECRET": "canary-app"}
    given = isthmus.Given(database_url="postgresql://house:canary-pw@db/x", master_key=MASTER, settings=settings)
    assert "canary" not in repr(given)
    assert MASTER not in repr(given)


async def test_it_goes_out_and_in_as_yaml(integrations: Integrations) -> None:
    made = await integrations.create("To copy", "stripe", description="Old", credentials={"api_key": "sk_test_ok"})
    text = await integrations.export(made.id)
    assert "sk_test_ok" not in text
    changed = text.replace("Old", "New")
    looked = await integrations.import_(changed, dry_run=True)
    assert (looked.outcome, [one.path for one in looked.differences]) == ("changed", ["description"])
    assert (await integrations.get(made.id)).description == "Old"
    await integrations.import_(changed)
    assert (await integrations.get(made.id)).description == "New"
    renamed = await integrations.update(made.id, name="Copied")
    assert renamed.name == "Copied"
    await integrations.delete(made.id)


async def test_the_tenant_is_the_same_when_it_is_opened_again(
    house: House, copied: Copy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {"ISTHMUS_DATABASE_CONNECTIONS": "10"}  # and no owner: the service's user will do
    home = tmp_path_factory.mktemp("again")
    given = isthmus.Given(database_url=copied.url, home=home, master_key=MASTER, settings=settings)
    async with Integrations.open(given) as again:
        assert list(await again.list()) == []
        made = await again.create("Once", "stripe")
    with pytest.raises(RuntimeError, match="closed"):
        await again.list()
    assert [one.id for one in await isthmus.Integrations(house).list()] == [made.id]


async def test_processes_of_one_service_that_begin_at_once_make_one_tenant(house: House) -> None:
    ids = await asyncio.gather(*(own_tenant(house.platform, "crowd") for _ in range(3)))
    assert len(set(ids)) == 1
    with pytest.raises(Invalid, match="slug"):
        await own_tenant(house.platform, "My Shop!")


def test_the_faces_are_loaded_when_they_are_used() -> None:
    assert isthmus.Integrations is Integrations
    with pytest.raises(AttributeError):
        _ = isthmus.Nothing


def test_the_package_tells_type_checkers_what_it_holds() -> None:
    """What is asserted here is `mypy --strict`'s to see: names that are found late are `object` to it."""
    assert_type(isthmus.Integrations, type[Integrations])
    assert_type(isthmus.Webhooks, type[library.Webhooks])
    assert_type(isthmus.Given(), Given)
    named = {name for name in isthmus.__all__ if name != "__version__"}
    assert named <= set(library.__all__)
    assert all(getattr(isthmus, name) is getattr(library, name) for name in named)


async def test_what_came_in_is_found_by_its_integration_and_ends_with_its_address(
    house: House, integrations: Integrations
) -> None:
    payments = await integrations.create("Pushes", "stripe", credentials={"api_key": "sk_test_ok"})
    hooks = isthmus.Webhooks(house)
    token = (await hooks.add_source("stripe", secret="whsec_own", integration_id=payments.id)).rpartition("/")[2]
    await hooks.add_source("github", secret="hush")
    own, other = await hooks.sources()
    body = b'{"id": "evt_1", "object": "event", "type": "charge.failed", "data": {"object": {"id": "ch_1"}}}'
    at = str(int(house.scope.now.timestamp()))
    mark = hmac.digest(b"whsec_own", at.encode() + b"." + body, "sha256").hex()
    headers = {"Stripe-Signature": f"t={at},v1={mark}"}
    assert (await hooks.receive(token, body, headers)).status == 200
    await routing.route(house.scope, own.id)
    (one,) = await hooks.events(integration_id=payments.id, state="ignored", event="stripe.charge.*")
    assert (one.source_id, one.event) == (own.id, "stripe.charge.failed")
    assert await hooks.events(state="dead") == await hooks.events(provider="github") == []
    with pytest.raises(NotFound):
        await hooks.events(integration_id="int_none")
    with pytest.raises(Invalid, match="received"):
        await hooks.events(state="lost")  # type: ignore[arg-type] # a slip
    with pytest.raises(TypeError, match="kind"):
        await hooks.events(kind="x")  # type: ignore[call-arg] # a slip
    for source in (own, other):
        await hooks.remove_source(source.id)
    assert await hooks.sources() == []
    with pytest.raises(NotFound):
        await hooks.remove_source(own.id)
    await integrations.delete(payments.id)


async def test_a_traceback_names_the_fields_that_are_wrong(integrations: Integrations) -> None:
    with pytest.raises(Invalid) as caught:
        await integrations.create("Payments", "stripe", settings={"region": "eu"})
    assert "settings.region: " in "".join(traceback.format_exception(caught.value))
