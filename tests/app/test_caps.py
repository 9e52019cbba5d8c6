"""Every cap of a tenant names a setting that there is, and a refusal that somebody can meet (security.md RL-05)."""

from dataclasses import fields
from pathlib import Path

import pytest
from tests.given import vault as given

from isthmus.app import SECTIONS
from isthmus.app.caps import every_cap
from isthmus.engine.db import Database
from isthmus.feature import Cap
from isthmus.http import HttpSettings
from isthmus.kit.errors import Problem

CAPS = sorted(every_cap(HttpSettings()), key=lambda cap: cap.name)
#: A run ends with it; nobody is answered with it.
_RUNS = {"TOO_MANY_PAGES"}


def _problems(kind: type[Problem] = Problem) -> list[type[Problem]]:
    return [kind, *(found for one in kind.__subclasses__() for found in _problems(one))]


@pytest.mark.parametrize("cap", CAPS, ids=lambda cap: cap.name)
def test_RL_05_a_cap_names_its_setting_and_its_refusal(cap: Cap) -> None:
    section, name = cap.name.split(".")
    settings = HttpSettings if section == "http" else SECTIONS[section]
    assert name in {one.name for one in fields(settings)}
    assert cap.setting == f"ISTHMUS_{section}__{name}".upper()
    assert cap.refusal in {one.code for one in _problems()} | _RUNS
    assert (cap.used is None) != (cap.used_apart is None)
    assert cap.counts.endswith(".")


def test_RL_05_caps_have_names_of_their_own() -> None:
    assert len({cap.name for cap in CAPS}) == len(CAPS) >= 17


def test_RL_05_the_guide_lists_every_cap_with_its_refusal_and_status() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "operate.md").read_text("utf-8")
    part = guide.partition("## What a tenant may have\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in part.splitlines() if line.startswith("| `")]
    told = {row[1].strip(" `"): row[4] for row in rows}
    assert list(told) == [cap.setting for cap in CAPS]
    for cap in CAPS:
        status = next((one.status for one in _problems() if one.code == cap.refusal), None)
        assert f"`{cap.refusal}`" in told[cap.setting]
        assert status is None or f"{status} `{cap.refusal}`" in told[cap.setting]


async def test_RL_05_counting_takes_no_lock_that_what_is_counted_would_wait_for(database: Database) -> None:
    scope = given.scope(given.process(database), "ten_counted")
    async with scope.tx() as tx:
        counted = [await cap.used(scope, tx) for cap in CAPS if cap.used is not None]
        rows = await tx.fetch_sql("select mode from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'")
    assert (set(counted), rows) == ({0}, [])
