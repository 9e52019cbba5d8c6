"""`isthmus provider`, `tenant` and `vault`: what they print, and how credentials come in."""

from pathlib import Path
from typing import cast

import pytest
from tests.given import catalog as given
from tests.given import keys
from tests.given import vault as house
from typer.testing import CliRunner

from isthmus.app import Platform
from isthmus.cli import provider, tenant, vault
from isthmus.cli.operator import operator
from isthmus.engine import keys as engine_keys
from isthmus.engine.db import Database
from isthmus.features import access, catalog
from isthmus.features import vault as room
from isthmus.kit.errors import Invalid
from isthmus.kit.permissions import PLATFORM_TENANT, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System


class Open:
    """The part of an open platform that these commands use."""

    def __init__(self, system: System) -> None:
        self.system = system

    def scope(self, tenant_id: str, principal: Principal) -> Scope:
        return Scope(tenant_id, principal, self.system.engine, self.system.clock)


@pytest.fixture(scope="module")
async def platform(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    shelf = given.providers(tmp_path_factory.mktemp("providers"), given.manifest("shopee"))
    ring = keys.ring("second", "first")
    settings = room.Settings(active_check=house.SOON)
    system = house.process(database, ring=ring, settings=settings, parts=given.parts(shelf))
    await room.check_canary(house.process(database, ring=keys.ring("first")))
    return cast("Platform", Open(system))


@pytest.mark.parametrize(
    "text",
    [
        "partner_id=1\npartner_key= a=b \n\n",
        '{"partner_id": "1", "partner_key": "a=b"}',
        ' {"partner_id":"1",\n"partner_key":"a=b"}',
    ],
)
def test_credentials_come_as_lines_or_json(text: str) -> None:
    assert provider.read_credentials(text) == {"partner_id": Secret("1"), "partner_key": Secret("a=b")}


@pytest.mark.parametrize("text", ["canary", "=canary", '{"a": 1}', '{"a": "canary"', "{" * 60_000, '{"a": ["canary"]}'])
def test_LO_02_what_is_no_credential_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        provider.read_credentials(text)
    assert "canary" not in f"{caught.value} {caught.value.details}"


def test_VA_15_no_credential_can_stand_on_the_command_line() -> None:
    answer = CliRunner().invoke(provider.provider, ["set", "shopee", "partner_key=canary"])
    assert answer.exit_code == 2
    told = CliRunner().invoke(provider.provider, ["set", "--help"]).output
    assert "credential" in told.lower()
    assert "--partner" not in told


async def test_the_state_of_an_app_shows_names_and_never_values(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = platform.scope(PLATFORM_TENANT, operator())
    secret = {"partner_id": Secret("1"), "partner_key": Secret("canary")}
    state = await catalog.set_app(scope, "shopee", credentials=secret)
    provider._print(await catalog.provider(scope, "shopee"), state)
    printed = capsys.readouterr().out
    assert "partner_key: set" in printed
    assert "note: not set (optional)" in printed
    assert "canary" not in printed
    listed, apps = await provider._list(platform)
    assert ([one.id for one in listed], [one.status for one in apps]) == (["shopee"], ["ready"])


async def test_a_rotation_reports_what_it_did_and_who_did_it(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    done, found = await vault._rotate(platform, data=True)
    assert (done.damaged, found.current_master) == (0, "second")
    vault._show(found)
    printed = capsys.readouterr().out
    assert "in use" in printed
    assert "wraps nothing any more" in printed
    async with platform.system.tx() as tx:
        rows = await tx.fetch_sql("select distinct actor from events where type like 'vault.%rotated'")
    assert [row["actor"] for row in rows] == [operator().id]
    assert rows[0]["actor"].startswith("operator:")


async def test_all_tenants_are_listed_over_several_pages(platform: Platform) -> None:
    scope = platform.scope(PLATFORM_TENANT, operator())
    made = [(await access.create_tenant(scope, f"Shop {number}")).id for number in range(101)]
    assert {one.id for one in await tenant._all(platform)} == {*made, PLATFORM_TENANT}


def test_a_new_master_key_goes_into_the_key_file_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path))
    monkeypatch.setenv("ISTHMUS_MASTER_KEY", "ab" * 32)
    with pytest.raises(vault.NoKeyFile):
        vault._renew()
    monkeypatch.delenv("ISTHMUS_MASTER_KEY")
    old = engine_keys.make(tmp_path / "master.key").primary.id
    vault._renew()
    assert old in (engine_keys.load(file=tmp_path / "master.key") or keys.ring("x")).ids
    assert "keep a copy" in capsys.readouterr().out


async def test_a_provider_travels_as_a_file(platform: Platform, tmp_path: Path) -> None:
    scope = platform.scope(PLATFORM_TENANT, operator())
    await catalog.create_provider(scope, given.document("acme"))
    file = tmp_path / "acme.yaml"
    file.write_text((await catalog.export_provider(scope, "acme")).replace("#123456", "#654321"), "utf-8")
    told = provider.read_document(file)
    trial = await catalog.import_provider(scope, told, dry_run=True)
    assert [(one.path, provider._brief(one.after)) for one in trial.differences] == [("color", "#654321")]
    assert (await catalog.provider(scope, "acme")).color == "#123456"
    assert (await catalog.import_provider(scope, told)).outcome == "changed"
    assert (await catalog.provider(scope, "acme")).color == "#654321"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_text("a" * 200_001, "utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(b"\xff\xfe")
    for file in (large, broken, tmp_path / "nothing.yaml"):
        with pytest.raises(Invalid):
            provider.read_document(file)
