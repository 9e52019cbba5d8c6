"""The providers that a process knows."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from isthmus.connect.declarative import connector_of
from isthmus.connect.manifest import Manifest
from isthmus.connect.registry import Found
from isthmus.features.catalog import store
from isthmus.features.catalog.errors import ProviderNotFound
from isthmus.features.catalog.model import providers as model
from isthmus.features.catalog.model.providers import Override, Provider
from isthmus.scope import Tx

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Providers(Mapping[str, Found]):
    """The providers by id: folders that were found at start, and those made at run time that this process has met.

    The latter stand in the database; `load` brings them up to date, and everything asynchronous here calls it first.
    """

    def __init__(self, found: Mapping[str, Found]) -> None:
        self._found = dict(found)
        self._shown = {name: _shown(one) for name, one in self._found.items()}
        self._own = frozenset(self._found)
        self._versions: dict[str, int] = {}
        #: The providers that the deployment lends an app for, and until when that is believed (`service.readiness`).
        self.lent: tuple[frozenset[str], float] | None = None

    def __getitem__(self, provider: str) -> Found:
        return self._found[provider]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def is_own(self, provider: str) -> bool:
        """Whether it came as a folder."""
        return provider in self._own

    def found(self, provider: str) -> Found:
        """One provider. Raises ProviderNotFound."""
        if provider not in self._found:
            raise ProviderNotFound
        return self._found[provider]

    def shown(self, provider: str) -> Provider:
        """One provider by its manifest. Raises ProviderNotFound."""
        if provider not in self._shown:
            raise ProviderNotFound
        return self._shown[provider]

    async def load(self, tx: Tx, rows: Iterable[Override]) -> None:
        """Read the definitions of these rows that were made or changed since."""
        stale = [row.id for row in rows if row.declared and self._versions.get(row.id) != row.version]
        if not stale:
            return
        for name, (version, definition) in (await store.definitions(tx, stale)).items():
            if name not in self._own:
                self.put(name, version, msgspec.convert(definition, Manifest))

    def put(self, provider: str, version: int, manifest: Manifest) -> None:
        """Hold a definition that was made at run time."""
        connector = connector_of(manifest)
        found = Found(manifest, connector, Path(provider), declared=True)
        self._found[provider], self._versions[provider] = found, version
        connectable = connector is not None
        self._shown[provider] = model.of_manifest(manifest, connectable=connectable, since=_LONG_AGO, declared=True)


def _shown(found: Found) -> Provider:
    place = found.folder / "manifest.toml"
    since = datetime.fromtimestamp(place.stat().st_mtime, UTC).replace(microsecond=0)
    return model.of_manifest(found.manifest, connectable=found.connector is not None, since=since)
