"""What an installed package consists of, found and counted without importing anything of it (security.md PL-01)."""

import hashlib
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Final

#: What installers and interpreters write by themselves, another text on each machine.
_NOT_ITS_OWN: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})


def folder_of(package: str) -> Path:
    """Where a package lies. Raises ValueError."""
    places: Iterable[str] | None = None
    name = ""
    for part in package.split("."):
        name = f"{name}.{part}" if name else part
        spec = _spec(name, places)
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"the package {package!r} cannot be found without importing it")
        places = list(spec.submodule_search_locations)
    return Path(next(iter(places or ("",))))


def _spec(name: str, places: Iterable[str] | None) -> ModuleSpec | None:
    where = None if places is None else list(places)
    for finder in sys.meta_path:
        found = finder.find_spec(name, where, None)
        if found is not None:
            return found
    return None


def of(point: EntryPoint) -> str:
    """SHA-256 over the names and contents of its distribution's files and its package's, as hex.

    The same for the same wheel on every machine. Raises ValueError where its package cannot be found, OSError.
    """
    whole = hashlib.sha256()
    for name, path in sorted(_files(point).items()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{name}\0{content}\n".encode())
    return whole.hexdigest()


def _files(point: EntryPoint) -> dict[str, Path]:
    top = folder_of(point.value.split(".", maxsplit=1)[0])
    found = {f"{top.name}/{path.relative_to(top).as_posix()}": path for path in _tree(top)}
    for one in (point.dist.files or ()) if point.dist is not None else ():
        # scripts lie outside, and hold the path of this machine's interpreter
        if one.name not in _NOT_ITS_OWN and ".." not in one.parts and "__pycache__" not in one.parts:
            path = Path(str(one.locate()))
            if path.is_file():
                found[one.as_posix()] = path
    return found


def _tree(top: Path) -> Iterator[Path]:
    return (path for path in top.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
