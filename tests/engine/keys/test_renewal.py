"""A new master key is put before the old ones, or the file stays as it was."""

import stat
from pathlib import Path

import pytest

from isthmus.engine import keys


def test_VA_09_the_new_key_seals_and_the_old_one_still_opens(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    old = keys.make(file).primary
    ring = keys.renew(file)
    assert ring.primary.id != old.id
    assert ring.ids == (ring.primary.id, old.id)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["master.key"]
    again = keys.renew(file)
    assert again.ids == (again.primary.id, *ring.ids)


@pytest.mark.parametrize("text", ["", "# nothing\n", "not a key\n", "x" * 70_000])
def test_VA_08_a_file_that_is_no_key_file_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "master.key"
    file.write_text(text, "ascii")
    with pytest.raises(keys.MasterKeyUnusable):
        keys.renew(file)
    assert file.read_text("ascii") == text
    assert len(list(tmp_path.iterdir())) == 1


def test_VA_08_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(keys.MasterKeyUnusable, match="absent"):
        keys.renew(tmp_path / "absent")
    assert not list(tmp_path.iterdir())
