"""All connectors that are kept apart: found without importing them, started with the platform, ended with it."""

from pathlib import Path
from types import TracebackType
from typing import Self

from isthmus.connect import registry
from isthmus.connect.apart.away import away, facts_of
from isthmus.connect.apart.cell import Cell
from isthmus.connect.apart.errors import Unready
from isthmus.connect.apart.process import Lodger
from isthmus.connect.apart.settings import Settings
from isthmus.connect.manifest import Manifest, read
from isthmus.connect.prints import folder_of
from isthmus.connect.registry import Found
from isthmus.connect.spi import Connector


class Cells:
    """The processes of one platform's connectors. Close it, or use it as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cells: dict[str, Cell] = {}
        self._loaded: set[str] = set()
        #: Which walls stand around which connector, by the provider's id.
        self.walls: dict[str, tuple[str, ...]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def keeps(self, label: str) -> bool:
        """Whether the settings want this distribution, `name==version`, in a process of its own."""
        return self._settings.wants(label)

    def load(self, package: str, label: str) -> Found:
        """A third party's folder, found and started without importing anything of it here.

        Raises ValueError where it is broken, Unready, WallsMissing.
        """
        self._loaded.add(label)
        try:
            folder = folder_of(package)
        except ValueError as error:
            raise Unready(f"The connector {label} cannot run in a process of its own: {error}.") from error
        if not registry.has_code(folder):
            return registry.load(folder, package, label)
        manifest = read(folder / "manifest.toml")
        return Found(manifest, self.connector(manifest, folder, package), folder, label)

    def check(self) -> None:
        """Refuse names that nothing answers to: with a slip in it, a connector would run in our process unseen.

        Raises Unready.
        """
        unknown = sorted(self._settings.named() - self._loaded)
        if unknown:
            raise Unready(f"No connector that is installed and allowed is called {', '.join(unknown)}.")

    def connector(self, manifest: Manifest, folder: Path, package: str) -> Connector:
        """Start a connector and answer what stands for it here. Raises Unready, WallsMissing."""
        facts = facts_of(manifest)
        cell = Cell(Lodger(manifest.id, package, folder), self._settings)
        known = self._cells.get(manifest.id)
        if known is not None:
            known.close()
        self._cells[manifest.id] = cell
        process = cell.running()
        self.walls[manifest.id] = process.walls
        return away(manifest, cell, facts, process.ready)

    def close(self) -> None:
        """End every process."""
        for cell in self._cells.values():
            cell.close()
