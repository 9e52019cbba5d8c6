"""Each house rule finds the violation planted for it, and its waiver with a reason silences it."""

from pathlib import Path

import pytest
from tools.house import paths, rules
from tools.house.tree import Source, sources

PLANTED = {
    "clock": ("features/sync/model.py", "import time\nNOW = time.time()\n"),
    "marketplace": ("features/sync/service.py", "NAME = 'shopee'\n"),
    "sql": ("features/sync/store.py", "name = 'x'\nq = f'select a from {name}'\n"),
    "import": ("features/sync/service.py", "import pickle\n"),
    "call": ("features/sync/service.py", "eval('1')\n"),
    "secret": ("features/vault/model.py", "class A:\n    access_token: str\n"),
    "role": ("features/sync/helpers.py", "x = 1\n"),
    "platform": ("features/sync/service.py", "other = scope.platform()\n"),
    "local-import": ("features/sync/service.py", "def f():\n    from isthmus.kit import ids\n    return ids\n"),
    "silent": ("features/sync/service.py", "async def start(scope, tx):\n    await store.insert_run(tx)\n"),
}


@pytest.mark.parametrize("rule", sorted(PLANTED))
def test_a_planted_violation_is_found(rule: str, tmp_path: Path) -> None:
    name, text = PLANTED[rule]
    source = _planted(tmp_path, name, text)
    assert rule in {finding.rule for finding in rules.broken(source)}


def test_a_star_is_found_in_any_statement(tmp_path: Path) -> None:
    assert rules.broken(_planted(tmp_path, "features/a/store.py", "Q = 'SELECT * from t'\n"))


def test_a_waiver_needs_a_reason(tmp_path: Path) -> None:
    given = "other = scope.platform()  # house: platform - app registrations\n"
    silent = "other = scope.platform()  # house: platform\n"
    assert rules.broken(_planted(tmp_path, "features/a/service.py", given)) == []
    assert rules.broken(_planted(tmp_path, "features/b/service.py", silent))


def test_AK_09_a_live_looking_key_and_a_machine_path_are_found(tmp_path: Path) -> None:
    file = tmp_path / "notes.md"
    file.write_text("key " + "isk_" + "live_" + "a" * 38 + "\nsee /" + "work" + "/main\n", "utf-8")
    assert {finding.rule for finding in paths.findings([file], tmp_path)} == {"key", "path"}


def test_the_house_keeps_its_rules() -> None:
    assert [str(finding) for source in sources() for finding in rules.broken(source)] == []


def _planted(root: Path, name: str, text: str) -> Source:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return Source(path, name)
