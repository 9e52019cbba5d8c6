"""`isthmus admin`: the first super admin comes by a one-time file on the machine (security.md SA-02)."""

import stat
from pathlib import Path
from typing import cast

import pytest
from tests.cli.test_tenant import Open
from tests.given import vault as house

from isthmus.app import Platform
from isthmus.cli import admin
from isthmus.engine.db import Database
from isthmus.features import access
from isthmus.features.access.model import factors
from isthmus.http import Credentials, RequestFacts
from isthmus.kit.clock import ManualClock
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN, Principal
from isthmus.kit.secret import Secret
from isthmus.scope import Scope

HERE = RequestFacts("req_1", "203.0.113.9")
WORDS = Secret("plenty of dew on the meadow")


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def platform(database: Database, clock: ManualClock) -> Platform:
    parts: dict[type, object] = {access.Settings: access.Settings(), access.Hasher: access.Hasher()}
    return cast("Platform", Open(house.process(database, clock=clock, parts=parts)))


async def _who(platform: Platform, shown: Secret) -> Principal:
    door = access.SessionAuthenticator(platform.system, access.Settings())
    found = await door.verify(Credentials("bearer", shown.reveal()))
    assert found is not None
    return found.principal


async def test_SA_02_there_is_no_super_admin_and_no_password_to_begin_with(
    platform: Platform, clock: ManualClock
) -> None:
    async with platform.system.tx() as tx:
        assert await tx.fetch_sql("select id from users where tenant_id = $1", PLATFORM_TENANT) == []
    for word in ("admin", "password", "", "isthmus"):
        clock.advance(60)
        with pytest.raises(access.SignInFailed):
            await access.sign_in(platform.system, HERE, access.SignIn(PLATFORM_TENANT, "admin", Secret(word)))


async def test_SA_02_the_first_one_comes_by_a_file_that_serves_once(
    platform: Platform, tmp_path: Path, clock: ManualClock
) -> None:
    file = tmp_path / "first.invitation"
    made = await admin._invited(platform, "Boss@Example.com", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text("ascii").strip() == made.shown.reveal()
    with pytest.raises(FileExistsError):
        await admin._invited(platform, "other@example.com", file)
    with pytest.raises(access.EmailTaken):
        await admin._invited(platform, "boss@example.com", tmp_path / "second")
    assert not (tmp_path / "second").exists()
    invitation = Secret(file.read_text("ascii").strip())
    joined = await access.accept(platform.system, HERE, invitation, WORDS)
    assert joined.roles == (SUPER_ADMIN,)
    with pytest.raises(access.InvitationUnknown):
        await access.accept(platform.system, HERE, invitation, WORDS)
    asked = access.SignIn(PLATFORM_TENANT, "boss@example.com", WORDS)
    begun = (await access.sign_in(platform.system, HERE, asked)).shown
    weak = await _who(platform, begun)
    assert (weak.roles, weak.permissions) == (frozenset(), frozenset({"account:own"}))
    own = Scope(PLATFORM_TENANT, weak, platform.system.engine, platform.system.clock, "req_2", HERE.address)
    offered = await access.offer_factor(own)
    fresh = await access.confirm_factor(own, begun, Secret(factors.code(offered.shown, clock.now())))
    assert (await _who(platform, fresh)).roles == {SUPER_ADMIN}
    with pytest.raises(access.FactorNeeded):
        await access.remove_factor(own, joined.id)
    assert joined.id in await admin._reset(platform, "boss@example.com")
    begun = (await access.sign_in(platform.system, HERE, asked)).shown
    assert (await _who(platform, begun)).roles == frozenset()
    with pytest.raises(access.MemberNotFound):
        await admin._reset(platform, "nobody@example.com")
