"""SA-04: settings that weaken security are told, shown in red, and run out."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from tests.given.edge import Edge

from isthmus.app import SECTIONS, Platform, lapsing, open_platform
from isthmus.cli.check import show_weaknesses
from isthmus.features import audit, connections, webhooks_out
from isthmus.features.audit.routes import setting_routes
from isthmus.features.webhooks_out.errors import WrongEndpoint
from isthmus.http import HttpSettings
from isthmus.kit import weakness
from isthmus.kit.clock import SYSTEM
from isthmus.kit.permissions import PLATFORM_TENANT, SUPER_ADMIN
from isthmus.sandbox.clock import ShiftedClock
from isthmus.settings import WrongSetting, load

MASTER = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
NETWORKS, HTTP = "ISTHMUS_CONNECTIONS__ALLOW_NETWORKS", "ISTHMUS_WEBHOOKS_OUT__ALLOW_HTTP"


@pytest.mark.parametrize(
    ("name", "value", "safe"),
    [
        (NETWORKS, "10.0.0.0/8", ()),
        ("ISTHMUS_WEBHOOKS_OUT__ALLOW_NETWORKS", "0.0.0.0/0", ()),
        (HTTP, "true", False),
        ("ISTHMUS_HTTP__TRUSTED_PROXIES", "0.0.0.0/0,10.1.0.0/16", ("10.1.0.0/16",)),
        ("ISTHMUS_HTTP__TRUSTED_PROXIES", "::/0", ()),
        ("ISTHMUS_HTTP__CORS_ORIGINS", "http://app.example.com,https://b.example", ("https://b.example",)),
        ("ISTHMUS_HTTP__LIMITS", "login=9000,search=9000", {"search": 9000}),
        ("ISTHMUS_HTTP__FAILURES_PER_MINUTE", "1000", 100),
        ("ISTHMUS_HTTP__STEP_UP_SECONDS", "86400", 3600.0),
        ("ISTHMUS_CONNECTIONS__RETURN_ORIGINS", "http://app.example.com", ()),
    ],
)
def test_SA_04_each_weakening_value_is_known_with_what_holds_in_its_place(name: str, value: str, safe: object) -> None:
    settings = load(SECTIONS, {name: value})
    (found,) = settings.weakened()
    assert (found.variable, found.until) == (name, None)
    assert found.reason
    after = settings.tightened([name])
    assert after.weakened() == []
    assert [held for knob, held, _ in after.rows() if knob.variable == name] == [safe]


def test_what_cannot_be_replaced_is_told_all_the_same() -> None:
    settings = load(SECTIONS, {"ISTHMUS_CONNECTIONS__PUBLIC_URL": "http://shop.example"})
    assert [one.variable for one in settings.weakened()] == ["ISTHMUS_CONNECTIONS__PUBLIC_URL"]
    assert len(settings.tightened(["ISTHMUS_CONNECTIONS__PUBLIC_URL"]).weakened()) == 1


def test_what_is_set_as_safe_as_ever_is_not_told() -> None:
    given = {
        HTTP: "false",
        "ISTHMUS_HTTP__LIMITS": "login=5,search=9000",
        "ISTHMUS_HTTP__STEP_UP_SECONDS": "60",
        "ISTHMUS_CONNECTIONS__PUBLIC_URL": "http://127.0.0.1:8700",
        "ISTHMUS_CONNECTIONS__RETURN_ORIGINS": "http://localhost:3000",
    }
    assert load(SECTIONS, given).weakened() == []
    assert not weakness.is_plain("http://[::1")


def test_an_end_is_a_setting_of_its_own_a_day_or_a_time(tmp_path: Path) -> None:
    file = tmp_path / "isthmus.toml"
    file.write_text("[webhooks_out]\nallow_http = true\nallow_http_until = 2026-12-31\n", "utf-8")
    given = {"ISTHMUS_CONFIG": str(file), NETWORKS: "10.0.0.0/8", f"{NETWORKS}_UNTIL": "2026-12-01T10:00:00Z"}
    ends = {one.variable: one.until for one in load(SECTIONS, given).weakened()}
    assert ends == {HTTP: datetime(2027, 1, 1, tzinfo=UTC), NETWORKS: datetime(2026, 12, 1, 10, tzinfo=UTC)}
    for wrong in ({f"{HTTP}_UNTIL": "soon"}, {"ISTHMUS_PORT_UNTIL": "2026-12-31"}):
        with pytest.raises(WrongSetting):
            load(SECTIONS, wrong)


class House:
    """A deployment's database under a clock that can be moved, opened with these or those settings."""

    def __init__(self, database_url: str, home: Path) -> None:
        self._url, self._home = database_url, home
        self.clock = ShiftedClock(SYSTEM)

    @asynccontextmanager
    async def opened(self, **more: str) -> AsyncIterator[Platform]:
        given = {
            "ISTHMUS_HOME": str(self._home),
            "ISTHMUS_DATABASE_URL": self._url,
            "ISTHMUS_AUTH__HS256": "a-key-of-tests-that-signs-tokens-only",
            "ISTHMUS_MASTER_KEY": MASTER,
            "ISTHMUS_DATABASE_CONNECTIONS": "2",
            **more,
        }
        async with open_platform(load(SECTIONS, given), upgrade=False, clock=self.clock) as platform:
            yield platform

    async def told(self, platform: Platform) -> list[tuple[str, str]]:
        """What the log has of settings."""
        async with platform.system.tx() as tx:
            rows = await tx.fetch_sql("select type, subject from events where type like 'setting.%' order by id")
        return [(row["type"], row["subject"]) for row in rows]


@pytest.fixture(scope="module")
def house(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(database_url, Path(tmp_path_factory.mktemp("home")))


def out(platform: Platform) -> webhooks_out.Sender:
    return platform.engine.part(webhooks_out.Sender)


async def test_SA_04_a_start_is_told_once_and_the_return_to_safety_too(house: House) -> None:
    async with house.opened(**{HTTP: "true"}) as platform:
        await audit.note_weaknesses(platform.system)
        await audit.note_weaknesses(platform.system)
        assert await house.told(platform) == [("setting.weakened", HTTP)]
    async with house.opened() as platform:
        await audit.note_weaknesses(platform.system)
        assert (await house.told(platform))[1:] == [("setting.safe", HTTP)]


async def test_SA_04_a_planted_allow_all_is_red_in_check_and_on_the_route(house: House) -> None:
    async with house.opened(ISTHMUS_WEBHOOKS_OUT__ALLOW_NETWORKS="0.0.0.0/0") as platform:
        shown = io.StringIO()
        show_weaknesses(
            platform, Console(file=shown, force_terminal=True, color_system="standard", width=200, highlight=False)
        )
        assert "ISTHMUS_WEBHOOKS_OUT__ALLOW_NETWORKS = ('0.0.0.0/0',) weakens security" in shown.getvalue()
        assert "\x1b[31m" in shown.getvalue()
        edge = Edge(platform.system, setting_routes, settings=HttpSettings())
        found = await edge.call("GET", "/api/admin/weak-settings", tenant=PLATFORM_TENANT, role=SUPER_ADMIN)
        (one,) = found.json()["items"]
        assert (one["name"], one["expired"]) == ("ISTHMUS_WEBHOOKS_OUT__ALLOW_NETWORKS", False)
        assert (await edge.call("GET", "/api/admin/weak-settings")).status_code == 403


async def test_SA_04_what_has_run_out_holds_no_more_at_the_next_start(house: House) -> None:
    given = {HTTP: "true", f"{HTTP}_UNTIL": "2020-01-01"}
    async with house.opened(**given) as platform:
        assert platform.engine.part(webhooks_out.Settings).allow_http is False
        assert [one.is_over(platform.clock.now()) for one in platform.weaknesses] == [True]
        with pytest.raises(WrongEndpoint):
            out(platform).check_url("http://hooks.example.com")
        shown = io.StringIO()
        show_weaknesses(platform, Console(file=shown, width=300, highlight=False))
        assert "has run out: the safe value holds" in shown.getvalue()


async def test_SA_04_without_an_end_it_is_thirty_days_and_a_process_that_runs_then_ends_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lapsing, "_LOOK_SECONDS", 0.01)
    given = {HTTP: "true", NETWORKS: "127.0.0.0/8", "ISTHMUS_WEBHOOKS_OUT__ALLOW_NETWORKS": "10.0.0.0/8"}
    async with house.opened(**given) as platform:
        stop = asyncio.Event()
        await audit.note_weaknesses(platform.system)
        running = asyncio.create_task(lapsing.lapse(platform, stop))
        assert out(platform).check_url("http://10.1.1.1/hook")
        house.clock.advance(timedelta(days=29).total_seconds())
        await asyncio.sleep(0.05)
        assert out(platform).check_url("http://10.1.1.1/hook")
        house.clock.advance(timedelta(days=2).total_seconds())
        async with asyncio.timeout(60):
            await running
        with pytest.raises(WrongEndpoint):
            out(platform).check_url("http://10.1.1.1/hook")
        assert platform.engine.part(connections.Settings).allow_networks == ()
    async with house.opened(**given) as platform:
        assert platform.engine.part(webhooks_out.Settings).allow_http is False


def test_an_end_far_away_is_a_year_and_no_more() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    never = audit.Weakness("X", "1", "r", datetime(9999, 1, 1, tzinfo=UTC))
    assert audit.standing(never, since).until == since + timedelta(days=366)
