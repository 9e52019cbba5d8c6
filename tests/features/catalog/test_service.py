"""What merchants may connect, and with which app: the nearest one, and never towards other hosts."""

from pathlib import Path
from typing import Any

import pytest
from tests.given import catalog as given
from tests.given import vault as house
from tests.given.statements import written_down

from isthmus.engine.db import Database
from isthmus.features import catalog, vault
from isthmus.features.catalog.model import providers as model
from isthmus.features.catalog.service.registrations import reseal
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System

APP = {"partner_id": Secret("4711"), "partner_key": Secret("canary-partner-key")}
OTHER = {"partner_id": Secret("4712"), "partner_key": Secret("canary-other-key")}


def system_of(database: Database, shelf: catalog.Providers, environment: dict[str, str] | None = None) -> System:
    reseals = vault.Reseals({"catalog.registrations": reseal})
    settings = vault.Settings(active_check=house.SOON)
    return house.process(database, parts=given.parts(shelf, environment), reseals=reseals, settings=settings)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> catalog.Providers:
    manifests = [
        given.manifest("shopee"),
        given.manifest("lazada"),
        given.manifest("tiki", names={"en": "A first one"}),
        given.manifest("hubspot", category="crm"),
        given.manifest("hidden", audience="system"),
        given.manifest("early", status="beta"),
        given.manifest("open", auth="api_key", oauth=None, app_fields=[]),
        given.manifest("facts"),
    ]
    return given.providers(tmp_path_factory.mktemp("providers"), *manifests, without_connector="facts")


@pytest.fixture(scope="module")
async def system(database: Database, shelf: catalog.Providers) -> System:
    made = system_of(database, shelf)
    await vault.check_canary(made)
    return made


@pytest.fixture
def scope(system: System) -> Scope:
    return house.scope(system, "ten_a")


async def ids(scope: Scope, ask: Ask = Ask(), **filters: Any) -> list[str]:  # noqa: B008
    page = await catalog.providers(scope, filters=catalog.Filters(**filters), ask=ask)
    return [one.id for one in page.items]


async def test_merchants_see_active_providers_for_tenants_by_name(scope: Scope) -> None:
    assert await ids(scope) == ["tiki", "facts", "hubspot", "lazada", "open", "shopee"]


async def test_filters_search_sort_and_pages_work_together(scope: Scope) -> None:
    assert await ids(scope, category="crm") == ["hubspot"]
    assert await ids(scope, search="sopee") == ["shopee"]
    assert await ids(scope, sort_by="name", sort_order="desc", category="marketplace") == [
        "shopee", "open", "lazada", "facts", "tiki",
    ]  # fmt: skip
    page = await catalog.providers(scope, ask=Ask(limit=2, offset=3))
    assert ([one.id for one in page.items], page.total, page.has_more) == (["lazada", "open"], 6, True)


@pytest.mark.parametrize("wrong", [{"category": "toys"}, {"sort_by": "price"}, {"sort_order": "up"}])
async def test_a_filter_that_does_not_exist_is_refused(scope: Scope, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await catalog.providers(scope, filters=catalog.Filters(**wrong))


@pytest.mark.parametrize("slug", ["hidden", "early", "nothing", "../shopee"])
async def test_a_hidden_provider_is_as_unknown_as_one_that_does_not_exist(scope: Scope, slug: str) -> None:
    with pytest.raises(catalog.ProviderNotFound):
        await catalog.provider(scope, slug)


async def test_SC_05_one_that_is_hidden_takes_no_more_work_than_one_that_never_was(
    database: Database, shelf: catalog.Providers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process that has not met it: nothing of it is read, and none of its facts are laid over each other."""
    operator = house.platform(system_of(database, shelf))
    await catalog.create_provider(operator, given.document("kept_back") | {"audience": "system"})
    await catalog.create_provider(operator, given.document("switched_off") | {"status": "disabled"})
    there = house.scope(system_of(database, given.providers(tmp_path, given.manifest("shopee"))), "ten_b")
    monkeypatch.setattr(model, "overlay", None)
    asked = []
    for slug in ("never", "kept_back", "switched_off"):
        for look in (catalog.provider, catalog.opened_provider, catalog.admit):
            with written_down() as statements, pytest.raises(catalog.ProviderNotFound):
                await look(there, slug)
            asked.append(statements)
    assert asked[0]
    assert asked == [asked[0]] * 9


async def test_an_override_row_changes_what_every_tenant_sees_and_is_logged(system: System, scope: Scope) -> None:
    operator = house.platform(system)
    await catalog.change_provider(operator, "early", status="active", fields={"color": "#ff0000"})
    found = await catalog.provider(scope, "early")
    assert (found.color, found.version, found.overridden) == ("#ff0000", 1, ("color", "status"))
    assert "early" in await ids(scope)
    await catalog.change_provider(operator, "early", status="disabled")
    assert "early" not in await ids(scope)
    assert (await catalog.provider(scope, "early", hidden=True)).color == "#ff0000"
    async with operator.tx() as tx:
        rows = await tx.fetch_sql("select before, after from events where type = 'provider.changed' order by id")
    assert [(row["before"] or {}).get("status") for row in rows] == [None, "active"]
    with pytest.raises(Invalid):
        await catalog.change_provider(operator, "early", status="gone")


async def test_without_an_app_nobody_connects(scope: Scope) -> None:
    with pytest.raises(catalog.AppMissing):
        await catalog.registration(scope, "lazada")
    with pytest.raises(catalog.ProviderNotConnectable):
        await catalog.registration(scope, "facts")


async def test_a_provider_that_needs_no_app_is_ready_as_it_is(scope: Scope) -> None:
    found = await catalog.registration(scope, "open")
    assert (found.kind, found.app.credentials, found.app.hosts) == ("none", {}, given.HOSTS)
    assert (await catalog.registration(scope, "open", found.id)).id == found.id


async def test_the_nearest_app_wins_the_tenants_own_then_the_platforms_then_the_environments(
    database: Database, shelf: catalog.Providers
) -> None:
    environment = {
        "ISTHMUS_PROVIDERS__SHOPEE__PARTNER_ID": "1",
        "ISTHMUS_PROVIDERS__SHOPEE__PARTNER_KEY": "e",
        "ISTHMUS_PROVIDERS__SHOPEE__HOSTS__API": "https://env.example.com",
    }
    system = system_of(database, shelf, environment)
    mine, theirs = house.scope(system, "ten_mine"), house.scope(system, "ten_theirs")
    by_environment = await catalog.registration(mine, "shopee")
    assert (by_environment.kind, by_environment.app.secret("partner_id")) == ("environment", "1")
    assert by_environment.app.hosts["api"] == "https://env.example.com"
    lent = await catalog.set_app(house.platform(system), "shopee", credentials=APP)
    assert (await catalog.registration(mine, "shopee")).id == lent.id
    own = await catalog.set_app(mine, "shopee", credentials=OTHER)
    found = await catalog.registration(mine, "shopee")
    assert (found.kind, found.id, found.app.secret("partner_id")) == ("tenant", own.id, "4712")
    assert (await catalog.registration(theirs, "shopee")).kind == "platform"
    # a connection goes on with the app that it began with
    assert (await catalog.registration(mine, "shopee", lent.id)).app.secret("partner_id") == "4711"
    assert (await catalog.registration(mine, "shopee", by_environment.id)).kind == "environment"
    # and nobody with the app of another tenant, nor with an app of another provider
    for provider, registration_id in (("shopee", own.id), ("lazada", lent.id), ("shopee", "reg_none")):
        with pytest.raises(catalog.AppMissing):
            await catalog.registration(theirs, provider, registration_id)


async def test_each_app_has_its_own_callback_path(system: System) -> None:
    state = await catalog.set_app(house.scope(system, "ten_path"), "lazada", credentials=APP)
    assert state.redirect_path == f"{catalog.CALLBACK_PATH}/{state.id}"


async def test_VA_03_credentials_rest_sealed_and_no_log_or_state_shows_them(system: System) -> None:
    scope = house.scope(system, "ten_sealed")
    state = await catalog.set_app(scope, "lazada", credentials=APP)
    assert (state.status, state.given) == ("ready", ("partner_id", "partner_key"))
    async with scope.tx() as tx:
        rows = await tx.fetch_sql("select credentials_sealed, hosts::text as hosts from registrations")
        events = await tx.fetch_sql("select row_to_json(events)::text as said from events")
    shown = [repr(state), repr(await catalog.registration(scope, "lazada")), repr(await catalog.apps(scope))]
    shown += [row["said"] for row in events] + [row["hosts"] for row in rows]
    assert len(rows) == 1
    assert events
    assert b"canary" not in rows[0]["credentials_sealed"]
    assert not any("canary" in text for text in shown)


async def test_VA_01_a_changed_host_leaves_no_secret_behind_until_it_is_given_anew(system: System) -> None:
    scope = house.scope(system, "ten_moved")
    await catalog.set_app(scope, "lazada", credentials=APP)
    moved = await catalog.set_app(scope, "lazada", hosts={"auth": "https://evil.example.com"})
    assert (moved.status, moved.given, moved.hosts["auth"]) == ("pending", (), "https://evil.example.com")
    with pytest.raises(catalog.AppMissing):
        await catalog.registration(scope, "lazada")
    with pytest.raises(Invalid):
        await catalog.set_app(scope, "lazada", credentials={"partner_id": Secret("1")})
    back = await catalog.set_app(scope, "lazada", hosts={})
    assert back.status == "pending", "the way back gives nothing back"
    again = await catalog.set_app(scope, "lazada", credentials=APP, hosts={"auth": "https://new.example.com"})
    assert again.status == "ready"
    assert (await catalog.registration(scope, "lazada")).app.hosts["auth"] == "https://new.example.com"


async def test_VA_01_a_release_that_moves_a_host_gets_no_secret(
    database: Database, tmp_path: Path, system: System
) -> None:
    await catalog.set_app(house.scope(system, "ten_release"), "shopee", credentials=APP)
    moved = given.manifest("shopee", hosts=given.HOSTS | {"api": "https://evil.example.com"})
    after = house.scope(system_of(database, given.providers(tmp_path, moved)), "ten_release")
    with pytest.raises(catalog.AppMissing):
        await catalog.registration(after, "shopee")
    assert [one.status for one in await catalog.apps(after)] == ["pending"]


async def test_VA_01_sealed_credentials_moved_to_a_row_with_other_hosts_do_not_open(system: System) -> None:
    scope = house.scope(system, "ten_forged")
    await catalog.set_app(scope, "lazada", credentials=APP, hosts={"api": "https://evil.example.com"})
    async with scope.tx() as tx:
        forged = await tx.fetch_sql("select hosts, bound_to from registrations")
    await catalog.set_app(scope, "lazada", credentials=APP, hosts={})
    async with scope.tx() as tx:
        await tx.execute_sql("update registrations set hosts = $1, bound_to = $2", *forged[0])
    with pytest.raises(vault.Unreadable):
        await catalog.registration(scope, "lazada")


async def test_setting_an_app_twice_keeps_its_id_and_is_logged_without_values(system: System) -> None:
    scope = house.scope(system, "ten_twice")
    one = await catalog.set_app(scope, "lazada", credentials=APP)
    two = await catalog.set_app(scope, "lazada", credentials={"partner_key": Secret("second")})
    assert (one.id, one.version, two.version) == (two.id, 1, 2)
    assert (await catalog.registration(scope, "lazada")).app.secret("partner_key") == "second"
    async with scope.tx() as tx:
        rows = await tx.fetch_sql("select subject, after from events where type = 'provider.app_set' order by xid, id")
    assert [(row["subject"], row["after"]["version"]) for row in rows] == [(one.id, 1), (one.id, 2)]


async def test_VA_09_app_credentials_move_to_the_new_data_key(system: System) -> None:
    scopes = [house.scope(system, f"ten_reseal_{number}") for number in range(3)]
    for scope in scopes:
        await catalog.set_app(scope, "lazada", credentials=APP)
    await vault.rotate(system, data=True)
    for scope in scopes:
        async with scope.tx() as tx:
            left = await tx.fetch_sql(
                "select r.id from registrations r join data_keys k using (tenant_id) "
                "where k.retired_at is not null and position(k.id::bytea in r.credentials_sealed) > 0"
            )
        assert left == []
        assert (await catalog.registration(scope, "lazada")).app.secret("partner_id") == "4711"


async def test_the_environment_is_checked_at_the_start(shelf: catalog.Providers) -> None:
    wrong = [
        {"ISTHMUS_PROVIDERS__NOBODY__ID": "1"},
        {"ISTHMUS_PROVIDERS__SHOPEE__PASSWORD": "1"},
        {"ISTHMUS_PROVIDERS__SHOPEE__HOSTS__API": "http://api.example.com"},
    ]
    for environment in wrong:
        with pytest.raises((Invalid, catalog.ProviderNotFound)):
            catalog.check_given(shelf, catalog.read_apps(environment))
    catalog.check_given(shelf, catalog.read_apps({"ISTHMUS_PROVIDERS__SHOPEE__PARTNER_ID": "1"}))


async def test_platform_apps_are_those_of_the_deployments_own_tenant(system: System) -> None:
    operator = house.platform(system)
    await catalog.set_app(operator, "hubspot", credentials=APP)
    assert operator.tenant_id == PLATFORM_TENANT
    assert {one.kind for one in await catalog.apps(operator)} == {"platform"}
    assert await catalog.apps(house.scope(system, "ten_empty")) == []


async def test_another_process_learns_of_a_provider_and_of_each_change_of_it(
    database: Database, shelf: catalog.Providers, tmp_path: Path
) -> None:
    here = house.platform(system_of(database, shelf))
    there = house.scope(system_of(database, given.providers(tmp_path, given.manifest("shopee"))), "ten_b")
    await catalog.create_provider(here, given.document("shared"))
    found = await catalog.found(there, "shared")
    assert (found.manifest.color, found.declared) == ("#123456", True)
    assert "shared" in [one.id for one in (await catalog.providers(there)).items]
    await catalog.change_provider(here, "shared", fields={"color": "#abcdef"})
    assert (await catalog.found(there, "shared")).manifest.color == "#abcdef"
    await catalog.remove_provider(here, "shared")
    assert (await catalog.found(there, "shared")).manifest.color == "#abcdef", "what uses it goes on"
    assert "shared" not in [one.id for one in (await catalog.providers(there)).items]
    with pytest.raises(catalog.ProviderNotFound):
        await catalog.provider(there, "shared", hidden=True)
    await catalog.create_provider(here, given.document("shared") | {"color": "#000001"})
    assert (await catalog.found(there, "shared")).manifest.color == "#000001"
    with pytest.raises(catalog.ProviderNotFound):
        await catalog.found(there, "never")


async def test_a_provider_that_needs_no_app_may_still_lie_elsewhere(system: System) -> None:
    scope = house.platform(system)
    at = (await catalog.registration(scope, "open")).app.hosts
    state = await catalog.set_app(scope, "open", hosts={"api": "https://other.example.com"})
    assert (state.status, state.given) == ("ready", ())
    found = await catalog.registration(scope, "open")
    assert (found.app.hosts["api"], found.kind) == ("https://other.example.com", "platform")
    await catalog.set_app(scope, "open", hosts={})
    assert (await catalog.registration(scope, "open")).app.hosts == at
