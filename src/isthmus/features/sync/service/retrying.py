"""Only the failed records of an earlier run, one by one, as pages like any others."""

from dataclasses import dataclass

from isthmus.connect.spi import RawRecord, RecordPage, Window
from isthmus.features.sync import store
from isthmus.features.sync.errors import NotReadable
from isthmus.features.sync.service.sources import Source
from isthmus.scope import Scope

_PAGE = 20


@dataclass(frozen=True, slots=True)
class Retried:
    """A source whose pages are the records that failed in the run `of`; its cursor is a place among its errors."""

    scope: Scope
    of: str
    source: Source

    @property
    def reading(self) -> bytes:
        """As the source's own; a record is mapped again although its bytes may be the same."""
        return self.source.reading

    async def pull(self, window: Window, cursor: str | None) -> RecordPage:  # noqa: ARG002 - ids need no window
        """Raises NotReadable where the platform cannot be asked for one record."""
        async with self.scope.tx() as tx:
            rows = await store.failed_ids(tx, self.of, cursor or "", _PAGE)
        found = [await self._one(external_id) for _, external_id in rows]
        ahead = rows[-1][0] if len(rows) == _PAGE else None
        return RecordPage([record for record in found if record is not None], ahead)

    async def _one(self, external_id: str) -> RawRecord | None:
        try:
            return await self.source.fetch(external_id)
        except LookupError as error:
            raise NotReadable from error

    async def fetch(self, external_id: str) -> RawRecord | None:
        """As the source's own."""
        return await self.source.fetch(external_id)

    def map(self, record: RawRecord) -> object:
        """As the source's own."""
        return self.source.map(record)
