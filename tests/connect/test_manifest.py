"""A manifest is data with a schema."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.connect import scaffold
from isthmus.connect.manifest import read


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    scaffold.write("corner_shop", tmp_path)
    return tmp_path / "corner_shop" / "manifest.toml"


def test_it_is_read_with_its_entities(manifest: Path) -> None:
    found = read(manifest)
    assert found.name == "Corner Shop"
    assert found.entity("products") is not None
    assert found.entity("orders") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("api_version", "api_verison"), "api_verison"),
        (('id = "corner_shop"', 'id = "other"'), "the folder says"),
        (('auth = "oauth2"', 'auth = "api_key"'), "belong together"),
        (('category = "marketplace"', 'category = "toys"'), "category"),
        (("requests = 10", 'requests = "ten"'), "requests"),
        (("[hosts]", "[hosts"), "manifest.toml"),
    ],
)
def test_PL_06_what_is_wrong_is_named(manifest: Path, change: tuple[str, str], message: str) -> None:
    manifest.write_text(manifest.read_text().replace(*change, 1))
    with pytest.raises(ValueError, match=message):
        read(manifest)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_PL_06_any_bytes_are_a_manifest_or_a_value_error(manifest: Path, data: st.DataObject) -> None:
    whole = manifest.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    target = manifest.parent / "manifest.toml"
    try:
        target.write_bytes(whole[:start] + data.draw(st.binary(max_size=12)) + whole[end:])
        read(target)
    except ValueError:
        pass
    finally:
        target.write_bytes(whole)
