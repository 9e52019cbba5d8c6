"""Connectors are found in our folders, and a third party's only where an operator allowed it."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from tests.given import apart

from isthmus.connect import registry, scaffold


class _Dist:
    name = "their-shop"
    version = "1.2"


def _offer(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    point = EntryPoint(package, package, registry.ENTRY_POINT_GROUP)
    vars(point).update(dist=_Dist)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == registry.ENTRY_POINT_GROUP else [])


def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Path:
    scaffold.write(name, tmp_path)
    folder = tmp_path / name
    proof = tmp_path / f"{name}.imported"
    (folder / "__init__.py").write_text(f"from pathlib import Path\nPath({str(proof)!r}).touch()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return proof


def test_our_own_folders_are_found_by_scanning() -> None:
    found = registry.discover()
    assert list(found) == sorted(found)
    assert all(one.third_party is None for one in found.values())
    assert all(one.connector is not None for name, one in found.items() if (one.folder / "connector.py").is_file())


def test_PL_01_an_unlisted_entry_point_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = _package(tmp_path, monkeypatch, "their_shop_a")
    _offer(monkeypatch, "their_shop_a")
    for allowed in ([], ["their-shop"], ["their-shop==1.3"], ["their_shop_a"]):
        assert "their_shop_a" not in registry.discover(allowed)
    assert not proof.exists()
    assert "their_shop_a" not in sys.modules
    assert [registry.label(point) for point in registry.offered()] == ["their-shop==1.2"]


def test_PL_01_a_listed_one_is_loaded_by_name_and_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = _package(tmp_path, monkeypatch, "their_shop_b")
    _offer(monkeypatch, "their_shop_b")
    found = registry.discover(["their-shop==1.2"])["their_shop_b"]
    assert proof.exists()
    assert found.third_party == "their-shop==1.2"
    assert found.connector is not None


def test_an_id_belongs_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = next(iter(registry.discover()))
    home = tmp_path / "twin"
    home.mkdir()
    (home / "__init__.py").touch()
    twin = home / taken
    twin.mkdir()
    (twin / "__init__.py").touch()
    ours = registry.discover()[taken].folder
    (twin / "manifest.toml").write_bytes((ours / "manifest.toml").read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path))
    _offer(monkeypatch, f"twin.{taken}")
    with pytest.raises(ValueError, match="two connectors claim"):
        registry.discover(["their-shop==1.2"])


def test_a_folder_without_its_factory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package(tmp_path, monkeypatch, "their_shop_c")
    (tmp_path / "their_shop_c" / "connector.py").write_text('"""Nothing."""\n')
    with pytest.raises(ValueError, match=r"their_shop_c: connector\.py defines no CONNECTOR"):
        registry.load(tmp_path / "their_shop_c", "their_shop_c")


def test_PL_01_an_allowed_digest_is_of_exactly_these_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = apart.installed("their_shop_d", tmp_path, monkeypatch)
    (point,) = [one for one in registry.offered() if one.name == "their_shop_d"]
    label = registry.full_label(point)
    assert label.startswith("their-shop-d==1.2@sha256:")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").touch()
    assert registry.full_label(point) == label, "what the interpreter writes is not of it"
    assert registry.allows([label], point)
    assert not registry.allows([label[:-1] + ("0" if label[-1] != "0" else "1")], point)
    (folder / "mapping.py").write_text((folder / "mapping.py").read_text() + "\n")
    assert not registry.allows([label], point)
    assert "their_shop_d" not in registry.discover([label])
    assert not [name for name in sys.modules if name.startswith("their_shop_d")]
    assert "their_shop_d" in registry.discover([registry.full_label(point)])
