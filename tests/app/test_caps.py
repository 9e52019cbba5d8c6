"""Every cap of a tenant names a setting that there is, and a refusal that somebody can meet (security.md RL-05)."""

from dataclasses import fields

import pytest
from tests.given import vault as given

from isthmus.app import SECTIONS
from isthmus.app.caps import every_cap
from isthmus.engine.db import Database
from isthmus.feature import Cap
from isthmus.http import HttpSettings
from isthmus.kit.errors import Problem

CAPS = every_cap(HttpSettings())
#: A run ends with it; nobody is answered with it.
_RUNS = {"TOO_MANY_PAGES"}


def _codes(kind: type[Problem] = Problem) -> set[str]:
    return {kind.code, *(code for one in kind.__subclasses__() for code in _codes(one))}


@pytest.mark.parametrize("cap", CAPS, ids=lambda cap: cap.name)
def test_RL_05_a_cap_names_its_setting_and_its_refusal(cap: Cap) -> None:
    section, name = cap.name.split(".")
    settings = HttpSettings if section == "http" else SECTIONS[section]
    assert name in {one.name for one in fields(settings)}
    assert cap.setting == f"ISTHMUS_{section}__{name}".upper()
    assert cap.refusal in _codes() | _RUNS
    assert (cap.used is None) != (cap.used_apart is None)
    assert cap.counts.endswith(".")


def test_RL_05_caps_have_names_of_their_own() -> None:
    assert len({cap.name for cap in CAPS}) == len(CAPS) >= 17


async def test_RL_05_counting_takes_no_lock_that_what_is_counted_would_wait_for(database: Database) -> None:
    scope = given.scope(given.process(database), "ten_counted")
    async with scope.tx() as tx:
        counted = [await cap.used(scope, tx) for cap in CAPS if cap.used is not None]
        rows = await tx.fetch_sql("select mode from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'")
    assert (set(counted), rows) == ({0}, [])
