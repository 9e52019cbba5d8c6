"""Settings: merged by origin, and a wrong one stops the start with its name and the reason."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from isthmus.features import connections, webhooks_out
from isthmus.settings import Core, KeySettings, WrongSetting, load, parse, written


@dataclass(frozen=True)
class Sync:
    every: timedelta = field(default=timedelta(minutes=5), metadata={"description": "Pause between runs."})
    sizes: tuple[int, ...] = field(default=(1, 2), metadata={"description": "Sizes."})


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "isthmus.toml"
    file.write_text('port = 1\n[sync]\nevery = "PT30S"\nsizes = [3]\n', "utf-8")
    given = {"ISTHMUS_CONFIG": str(file), "ISTHMUS_SYNC__SIZES": "4, 5", "HOME": "/nowhere"}
    settings = load({"sync": Sync}, given)
    assert settings.part(Sync) == Sync(timedelta(seconds=30), (4, 5))
    origins = {knob.variable: origin for knob, _, origin in settings.rows()}
    assert (origins["ISTHMUS_SYNC__SIZES"], origins["ISTHMUS_SYNC__EVERY"]) == ("environment", "isthmus.toml")
    assert (settings.core.port, origins["ISTHMUS_HOST"]) == (1, "default")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ISTHMUS_SYNC__EVRY", "1", "Did you mean ISTHMUS_SYNC__EVERY"),
        ("ISTHMUS_PORT", "many", "ISTHMUS_PORT (from environment)"),
        ("ISTHMUS_SYNC__SIZES", "1,x", "ISTHMUS_SYNC__SIZES"),
        ("ISTHMUS_CONFIG", "/nowhere/isthmus.toml", "cannot be read"),
        ("ISTHMUS_PORT", "70000", "ISTHMUS_PORT is from 0 to 65535, not 70000"),
        ("ISTHMUS_DATABASE_CONNECTIONS", "1", "ISTHMUS_DATABASE_CONNECTIONS is from 2"),
        ("ISTHMUS_HTTP__BODY_BYTES", "0", "ISTHMUS_HTTP__BODY_BYTES is 1 or more"),
        ("ISTHMUS_HTTP__STOP_SECONDS", "-1", "ISTHMUS_HTTP__STOP_SECONDS is 0 or more"),
        ("ISTHMUS_BULK_NICE", "20", "ISTHMUS_BULK_NICE is from 0 to 19"),
        ("ISTHMUS_BULK_APART", "perhaps", "takes yes or no"),
        ("ISTHMUS_LOG", "loud", "ISTHMUS_LOG is one of json, text"),
        ("ISTHMUS_SYNC__EVERY", "6 hours", "a number of seconds, or ISO 8601 such as PT10M"),
        ("ISTHMUS_SYNC__EVERY", "-5", "a duration is not below zero"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        load({"sync": Sync}, {name: value})
    assert said in caught.value.message


@pytest.mark.parametrize(("value", "seconds"), [("2", 2), ("0.5", 0.5), ("PT10M", 600), ("P1D", 86_400), (" 30 ", 30)])
def test_a_duration_is_a_number_of_seconds_or_iso_8601(value: str, seconds: float) -> None:
    assert load({"sync": Sync}, {"ISTHMUS_SYNC__EVERY": value}).part(Sync).every == timedelta(seconds=seconds)


def test_a_port_of_the_command_line_that_is_none_is_named_as_well() -> None:
    with pytest.raises(WrongSetting, match="ISTHMUS_PORT is from 0 to 65535"):
        load({}, {}, {"ISTHMUS_PORT": 99_999})


def test_every_value_is_shown_as_it_is_written() -> None:
    settings = load({"sync": Sync}, {})
    for knob, value, _ in settings.rows():
        if (shown := written(value)) != "-":
            assert parse(knob, shown, "test") == value, knob.variable


@pytest.mark.parametrize("part", [connections.Settings, webhooks_out.Settings])
def test_networks_that_could_not_be_heeded_are_refused_by_name(part: type) -> None:
    with pytest.raises(WrongSetting, match=r"the settings of part: allow_networks: .*neither a network"):
        load({"part": part}, {"ISTHMUS_PART__ALLOW_NETWORKS": '["10.0.0.0/8"]'})
    settings = load({"part": part}, {"ISTHMUS_PART__ALLOW_NETWORKS": "10.0.0.0/8, ::1, shop.internal"})
    assert settings.part(part).allow_networks == ("10.0.0.0/8", "::1", "shop.internal")


@pytest.mark.parametrize(
    "address", ["isthmus.example.com", "https://", "ftp://isthmus.example.com", "https://a.example/?x=1"]
)
def test_a_public_address_that_no_consent_could_come_back_to_is_refused(address: str) -> None:
    with pytest.raises(WrongSetting, match="public_url: a whole address such as https://"):
        load({"connections": connections.Settings}, {"ISTHMUS_CONNECTIONS__PUBLIC_URL": address})


def test_LO_01_a_secret_setting_is_never_shown(tmp_path: Path) -> None:
    settings = load({}, {"ISTHMUS_AUTH__HS256": "canary-key-0123456789", "ISTHMUS_HOME": str(tmp_path)})
    assert settings.part(KeySettings).hs256
    assert "canary" not in repr(settings)
    assert "canary" not in str([row[1] for row in settings.rows()])
    assert isinstance(settings.core, Core)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "isthmus.toml").write_text("port = = 3", "utf-8")
    with pytest.raises(WrongSetting, match="cannot be read"):
        load({}, {"ISTHMUS_HOME": str(tmp_path)})
