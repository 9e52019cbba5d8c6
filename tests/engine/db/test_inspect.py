"""What `isthmus check` says about a server."""

import pytest
from tests.house_database import Copy

from isthmus.engine.db import inspect
from isthmus.engine.db.inspect import judge

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
