"""Finds connectors: our folders by scanning, third parties' by entry point and only those an operator allowed.

A third party's connector is code in our process (security.md PL-01): its entry point is not even imported until the
allow-list names it. Where an operator wants it kept apart (PL-05), it is never imported here at all.
"""

import importlib
import importlib.util
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Protocol

from isthmus.connect import prints
from isthmus.connect.declarative import connector_of
from isthmus.connect.manifest import Manifest, read
from isthmus.connect.spi import Connector

ENTRY_POINT_GROUP = "isthmus.connectors"
_HOME = "isthmus.connectors"
_PRINT = "@sha256:"


@dataclass(frozen=True, slots=True)
class Found:
    """A provider's folder: its facts, and its behaviour where it has any."""

    manifest: Manifest
    connector: Connector | None
    folder: Path
    third_party: str | None = None
    #: The behaviour is made of the manifest's facts: there is no code in the folder.
    declared: bool = False


class Apart(Protocol):
    """Where third parties' connectors live that do not run in this process (`connect.apart`)."""

    def keeps(self, label: str) -> bool:
        """Whether this distribution, `name==version`, is one of them."""
        ...

    def load(self, package: str, label: str) -> Found:
        """As `load`, with nothing of it imported here."""
        ...


def discover(allowed: Iterable[str] = (), apart: Apart | None = None) -> Mapping[str, Found]:
    """Every provider by id. `allowed` holds `name==version` of third-party distributions that may be imported,
    perhaps with `@sha256:` and the digest of their files.

    apart: who loads those that are not to run in this process.
    Raises ValueError when a folder is broken or an id is taken twice: a half-read catalogue helps nobody.
    """
    found: dict[str, Found] = {}
    for one in [*_own(), *_third_party(frozenset(allowed), apart)]:
        if one.manifest.id in found:
            raise ValueError(f"two connectors claim the id {one.manifest.id!r}")
        found[one.manifest.id] = one
    return dict(sorted(found.items()))


def folders() -> list[Path]:
    """Our own folders: providers, and others whose files of products can be read."""
    spec = importlib.util.find_spec(_HOME)
    if spec is None or not spec.submodule_search_locations:
        return []
    homes = [Path(place) for place in spec.submodule_search_locations]
    return [folder for home in homes for folder in sorted(home.iterdir()) if folder.is_dir()]


def _own() -> list[Found]:
    with_facts = [folder for folder in folders() if (folder / "manifest.toml").is_file()]
    return [load(folder, f"{_HOME}.{folder.name}") for folder in with_facts]


def load(folder: Path, package: str, third_party: str | None = None) -> Found:
    """Read one folder; its `connector` (a file or a folder) must define `CONNECTOR(manifest)`. Raises ValueError."""
    manifest = read(folder / "manifest.toml")
    if not has_code(folder):
        connector = connector_of(manifest)
        return Found(manifest, connector, folder, third_party, declared=connector is not None)
    module = importlib.import_module(f"{package}.connector")
    return Found(manifest, _instance(module, manifest), folder, third_party)


def has_code(folder: Path) -> bool:
    """Whether a provider's folder holds behaviour, and not facts alone."""
    return any((folder / place).is_file() for place in ("connector.py", "connector/__init__.py"))


def _instance(module: ModuleType, manifest: Manifest) -> Connector:
    factory = getattr(module, "CONNECTOR", None)
    if factory is None:
        raise ValueError(f"{manifest.id}: connector.py defines no CONNECTOR")
    connector: Connector = factory(manifest)
    return connector


def offered() -> list[EntryPoint]:
    """Third-party connectors that are installed, imported or not; `isthmus check` lists them."""
    return sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)


def label(point: EntryPoint) -> str:
    """`distribution==version` of an entry point, the form the allow-list uses."""
    return f"{point.dist.name}=={point.dist.version}" if point.dist else point.name


def full_label(point: EntryPoint) -> str:
    """As `label`, with the digest of its files: what an operator allows who trusts these files and no others."""
    try:
        return f"{label(point)}{_PRINT}{prints.of(point)}"
    except (ValueError, OSError):
        return label(point)


def allows(allowed: Collection[str], point: EntryPoint) -> bool:
    """Whether the operator allowed it: by name and version, or with the digest of exactly these files."""
    known = label(point)
    if known in allowed:
        return True
    return any(one.startswith(f"{known}{_PRINT}") for one in allowed) and full_label(point) in allowed


def _third_party(allowed: frozenset[str], apart: Apart | None) -> list[Found]:
    found: list[Found] = []
    for point in offered():
        if not allows(allowed, point):
            continue
        if apart is not None and apart.keeps(label(point)):
            found.append(apart.load(point.value, label(point)))
            continue
        package = importlib.import_module(point.value)
        folder = Path(package.__file__ or "").parent
        found.append(load(folder, point.value, label(point)))
    return found
