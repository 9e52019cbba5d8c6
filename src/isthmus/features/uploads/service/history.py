"""When products came: runs of the configured connection and files, put into one list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from isthmus.features import sync
from isthmus.features.uploads import store
from isthmus.features.uploads.model.upload import Upload, UploadFilter
from isthmus.kit.errors import Invalid
from isthmus.kit.paging import Ask, Page
from isthmus.scope import Scope

#: Both lists are read from their beginning for an offset; a cursor costs the same at any depth.
_DEEP: Final = 1_000


@dataclass(frozen=True, slots=True)
class Turn:
    """One time that products came: a run of a connection, or a file."""

    run: sync.Run | None = None
    upload: Upload | None = None

    @property
    def id(self) -> str:
        """The id of the run or of the upload."""
        return self.run.id if self.run else self.upload.id if self.upload else ""

    @property
    def place(self) -> str:
        """Its place among turns of both kinds: ids are ordered by time behind their prefixes."""
        return self.id.partition("_")[2]


@dataclass(frozen=True, slots=True)
class TurnFilter:
    """Which turns a caller wants; None means any. Times are those of asking, `until` excluded."""

    kind: Literal["run", "upload"] | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def history(scope: Scope, wanted: TurnFilter, ask: Ask) -> Page[Turn]:
    """Runs of the configured connection and files, newest first. Raises Invalid for an offset that is too deep."""
    if ask.offset > _DEEP:
        raise Invalid.field("offset", f"Go on by `nextCursor` behind {_DEEP} rows.")
    reading = Ask(limit=ask.offset + ask.limit + 1, after=ask.after)
    turns = [*await _files(scope, wanted, reading), *await _runs(scope, wanted, reading)]
    turns = sorted(turns, key=lambda turn: turn.place, reverse=True)[ask.offset :]
    more = len(turns) > ask.limit
    shown = turns[: ask.limit]
    return Page(shown, next_after=shown[-1].place if more else None, has_more=more)


async def _files(scope: Scope, wanted: TurnFilter, ask: Ask) -> Sequence[Turn]:
    if wanted.kind == "run":
        return ()
    async with scope.tx() as tx:
        page = await store.page(tx, UploadFilter(wanted.state, wanted.since, wanted.until), _behind(ask, "upl"))
    return [Turn(upload=one) for one in page.items]


async def _runs(scope: Scope, wanted: TurnFilter, ask: Ask) -> Sequence[Turn]:
    async with scope.tx() as tx:
        row = await store.config(tx)
    if wanted.kind == "upload" or row is None or row["connection_id"] is None:
        return ()
    of_connection = sync.RunFilter(row["connection_id"], wanted.state, sync.PRODUCTS, wanted.since, wanted.until)
    page = await sync.runs(scope, of_connection, _behind(ask, "run"))
    return [Turn(run=one) for one in page.items]


def _behind(ask: Ask, prefix: str) -> Ask:
    return ask if ask.after is None else replace(ask, after=f"{prefix}_{ask.after}")
