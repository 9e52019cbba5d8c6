"""What `isthmus check` says about a server."""

import pytest
from tests.house_database import Copy

from isthmus.engine.db import inspect
from isthmus.engine.db.inspect import _release, judge, shipped

SOUND = {
    "super": False,
    "bypass": False,
    "verbosity": "terse",
    "statements": "panic",
    "logged": "none",
    "checksums": "on",
    "fsync": "on",
    "durable": "on",
    "encrypted": True,
    "local": False,
    "version": "18.6 (Debian 18.6-1)",
    "shipped": "18.6.3",
}


async def test_LO_08_the_embedded_server_is_sound_but_for_the_speed_of_tests(copied: Copy) -> None:
    seen = await inspect(copied.url)
    assert seen.version
    assert [warning for warning in seen.warnings if "fsync" not in warning] == []
    assert any("row-level security" in warning for warning in (await inspect(copied.admin_url)).warnings)


@pytest.mark.parametrize(
    ("fact", "value", "said"),
    [
        ("super", True, "row-level security"),
        ("bypass", True, "row-level security"),
        ("verbosity", "default", "log_error_verbosity"),
        ("statements", "error", "log_min_error_statement"),
        ("logged", "all", "log_statement"),
        ("checksums", "off", "checksums"),
        ("fsync", "off", "fsync"),
        ("durable", "off", "synchronous_commit"),
        ("encrypted", False, "sslmode"),
    ],
)
def test_LO_08_each_weakness_is_said_with_its_cure(fact: str, value: object, said: str) -> None:
    assert judge(SOUND) == []
    (warning,) = judge(SOUND | {fact: value})
    assert said in warning


@pytest.mark.parametrize("version", ["18.5", "18.0 (Debian 18.0-2)"])
def test_SU_07_a_server_behind_the_shipped_minor_release_is_said(version: str) -> None:
    (warning,) = judge(SOUND | {"version": version})
    assert "behind PostgreSQL 18.6" in warning


@pytest.mark.parametrize("version", ["18.6", "18.7", "18.10", "17.2", "19.0", "18beta1", "unknown"])
def test_SU_07_a_server_that_is_as_new_or_of_another_major_is_not(version: str) -> None:
    assert judge(SOUND | {"version": version}) == []


async def test_SU_07_the_version_is_shown_and_the_shipped_one_is_known(copied: Copy) -> None:
    seen = await inspect(copied.url)
    assert seen.version.split(".")[0].isdecimal()
    assert _release(shipped()) is not None
    assert not any("behind" in warning for warning in seen.warnings)
