"""Plays about writing listings: each field once, the same again, and answers that are lost on the way."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec

from isthmus.client import ClientError
from isthmus.connect.conformance.report import Broken, require
from isthmus.connect.conformance.stage import Play
from isthmus.connect.shapes import Listing, ListingStatus, Variant
from isthmus.connect.spi import ReadsOne, Session, Window
from isthmus.connect.writing import (
    OF_VARIANT,
    Edit,
    EditField,
    EditValue,
    Outcome,
    Result,
    Writes,
    Writing,
    as_shown,
    edited,
    value_of,
    variant_of,
)
from isthmus.kit import ids
from isthmus.kit.money import WHOLE_CURRENCIES

#: Listings that are tried before a field counts as unwritable: some are locked, as in a real shop.
_TRIES: Final = 12
#: Seconds after which the platform has forgotten how often it was called: a throttle would count as a call.
_REST: Final = 10.0
#: Seconds after which the client tries a platform again that failed.
_CALM: Final = 120.0
#: Without those of tokens: an answer to a refresh that is lost may end a grant, whatever is written.
_FAULTS: Final = ("drop_reply", "cut", "throttle", "server_error", "reset")
#: What takes a value of a field back.
_UNDONE: Final[dict[EditField, EditValue]] = {
    EditField.SALE_PRICE: None,
    EditField.PUBLISHED: True,
    EditField.STOCK: 0,
}
_MARKUP: Final = "<p>Soft &amp; warm</p><p>Number {number}</p>"


@dataclass(slots=True)
class _Desk:
    """A connector that writes, in a session, with what it read of the shop."""

    play: Play
    writer: Writes
    reader: ReadsOne
    writing: Writing
    session: Session
    #: Listings by the id of the record that they came as.
    listings: dict[str, Listing]
    number: int = 0
    #: The calls that the last edit took: the one that writes is the last of them.
    asked: int = 1

    async def again(self, record: str) -> Listing:
        raw = await self.reader.fetch(self.session, "products", record)
        if raw is None:
            raise Broken(f"{record} is gone")
        return self.play.connector.map_listing(raw, self.session.account)

    async def one(self, edit: Edit) -> Outcome:
        """Send one edit in the connector's own batches."""
        found: list[Outcome] = []
        before = self.play.stage.calls()
        for batch in self.writer.batches([edit], self.session.account):
            found += await self.writer.write(self.session, batch)
        self.asked = self.play.stage.calls() - before
        require([one.key for one in found] == [edit.key], "one edit, one outcome")
        return found[0]

    def candidates(self, field: EditField) -> Iterator[tuple[str, Edit]]:
        """Edits of a field that a shop can take, each with the record it belongs to."""
        shown = [(name, one) for name, one in self.listings.items() if one.status is ListingStatus.ACTIVE]
        for record, listing in shown:
            variant = listing.variants[0] if field in OF_VARIANT else None
            if variant is None or variant.price is not None:
                yield record, self.edit(listing, variant, field)

    def edit(self, listing: Listing, variant: Variant | None, field: EditField) -> Edit:
        """An edit to another value than the shop shows."""
        self.number += 1
        places = variant.inventory if variant is not None and field is EditField.STOCK else ()
        location = (places[0].location_external_id or "") if len(places) > 1 else ""
        name = variant.external_id if variant is not None else ""
        before = value_of(listing, name, field, location, self.writing.price)
        wanted = as_shown(field, self._wanted(variant, field, before), self.writing)
        currency = variant.price.currency if variant is not None and variant.price is not None else ""
        return Edit(ids.token(80), field, wanted, listing, variant, location, before, currency)

    def _wanted(self, variant: Variant | None, field: EditField, before: EditValue) -> EditValue:
        if field is EditField.TITLE:
            return f"A name of our own, number {self.number}"
        if field is EditField.DESCRIPTION:
            return _MARKUP.format(number=self.number)
        if field is EditField.PUBLISHED:
            return not before
        if field is EditField.STOCK:
            return int(before or 0) + 5
        price = variant.price if variant is not None else None
        if price is None:
            return None
        step = Decimal(1_000) if price.currency in WHOLE_CURRENCIES else Decimal(1)
        if field is EditField.PRICE:
            return (price.list_price if self.writing.price == "list" else price.current_price) + step
        lower = (price.list_price * 4 // 5) or step
        return lower - step if lower == price.sale_price else lower

    async def anew(self, record: str, edit: Edit) -> Edit:
        """One more edit of the same field, decided on what the shop shows now."""
        listing = await self.again(record)
        name = edit.variant.external_id if edit.variant is not None else ""
        return self.edit(listing, variant_of(listing, name) if name else None, edit.field)

    async def taken(self, field: EditField) -> tuple[str, Edit]:
        """An edit of the field that the platform took. Raises Broken where it takes none."""
        said: list[str] = []
        for record, edit in self.candidates(field):
            outcome = await self.one(edit)
            if outcome.result is Result.DONE:
                return record, edit
            require(outcome.reason or outcome.code, f"{field}: {outcome.result} without a reason")
            said.append(f"{outcome.result} {outcome.reason}")
            if len(said) >= _TRIES:
                break
        raise Broken(f"{field}: nothing could be written, {said[:2]}")

    async def compare(self, record: str, edit: Edit) -> None:
        """A fresh read shows what an edit makes of the listing, in its field."""
        name = edit.variant.external_id if edit.variant is not None else ""
        after = await self.again(record)
        shown = value_of(after, name, edit.field, edit.location, self.writing.price)
        there = edited(edit.listing, edit, self.writing.price)
        wanted = value_of(there, name, edit.field, edit.location, self.writing.price)
        require(shown == wanted, f"{edit.field}: shows {shown!r}, not {wanted!r}")

    def changes(self) -> int:
        """Effects so far that changed something."""
        return sum(self.play.stage.effects())


@asynccontextmanager
async def _opened(play: Play) -> AsyncIterator[_Desk]:
    writing, connector = play.manifest.writing, play.connector
    if writing is None or not isinstance(connector, Writes) or not isinstance(connector, ReadsOne):
        raise Broken("the manifest writes, but the connector does not write and read single records")
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        window = Window(None, session.clock.now())
        page = await connector.pull_listings(session, window, None)
        listings = {one.external_id: connector.map_listing(one, session.account) for one in page.records}
        yield _Desk(play, connector, connector, writing, session, listings)


async def every_field_of_the_manifest_can_be_written(play: Play) -> None:
    """Each field: the platform takes a value, and a fresh read shows exactly it."""
    async with _opened(play) as desk:
        for field in desk.writing.fields:
            before = desk.changes()
            record, edit = await desk.taken(field)
            require(desk.changes() > before, f"{field}: nothing took effect")
            await desk.compare(record, edit)


async def what_can_be_taken_away_is_gone(play: Play) -> None:
    """A lower price is taken away again, what was hidden is shown again, and stock goes down to nothing."""
    async with _opened(play) as desk:
        for field in _UNDONE.keys() & set(desk.writing.fields):
            record, edit = await desk.taken(field)
            listing = await desk.again(record)
            variant = variant_of(listing, edit.variant.external_id) if edit.variant is not None else None
            again = Edit(
                ids.token(80), field, _UNDONE[field], listing, variant, edit.location, edit.value, edit.currency
            )
            outcome = await desk.one(again)
            require(outcome.result is Result.DONE, f"{field}: {outcome.result} {outcome.reason}")
            await desk.compare(record, again)


async def the_same_value_again_changes_nothing(play: Play) -> None:
    """A value that the platform has is taken, and makes no difference."""
    async with _opened(play) as desk:
        for field in desk.writing.fields:
            record, edit = await desk.taken(field)
            before = desk.changes()
            outcome = await desk.one(edit)
            require(outcome.result is Result.DONE, f"{field}: the second time {outcome.result}")
            require(desk.changes() == before, f"{field}: the same value had another effect")
            await desk.compare(record, edit)


async def a_lost_answer_is_an_error_and_one_effect(play: Play) -> None:
    """The platform does what it is asked and the answer is lost: nothing is sent again, and a read tells."""
    async with _opened(play) as desk:
        for field in desk.writing.fields:
            for kind in ("drop_reply", "cut", "truncate"):
                await _lost(desk, field, kind)


async def _lost(desk: _Desk, field: EditField, kind: str) -> None:
    desk.play.stage.advance(_REST)
    record, edit = await desk.taken(field)
    fresh = await desk.anew(record, edit)
    before, all_before = desk.changes(), len(desk.play.stage.effects())
    desk.play.stage.disturb(kind, 1, after=desk.asked - 1)
    try:
        await desk.one(fresh)
    except ClientError as error:
        require(not error.retry_safe, f"{field}, {kind}: the error says that sending again is safe")
    else:
        raise Broken(f"{field}, {kind}: a lost answer counts as an outcome")
    finally:
        desk.play.stage.calm()
    rows = len(desk.play.stage.effects()) - all_before
    require(desk.changes() - before >= 1, f"{field}, {kind}: nothing took effect")
    require(desk.changes() - before == rows, f"{field}, {kind}: a write took effect twice")
    await desk.compare(record, fresh)


async def what_was_not_done_is_sent_again(play: Play) -> None:
    """A throttle and a dead token mean that nothing was done: the write waits, or signs anew, and is taken."""
    async with _opened(play) as desk:
        field = desk.writing.fields[0]
        for kind in ("throttle", *play.ends):
            record, edit = await desk.taken(field)
            fresh = await desk.anew(record, edit)
            before = len(play.stage.effects())
            play.stage.disturb(kind, 1)
            outcome = await desk.one(fresh)
            play.stage.calm()
            require(outcome.result is Result.DONE, f"{kind}: {outcome.result} {outcome.reason}")
            require(len(play.stage.effects()) == before + 1, f"{kind}: not one effect")


async def an_outage_is_not_answered_by_writing_again(play: Play) -> None:
    """A failure after the request has left is handed on at once: whether it took effect is to be looked up."""
    async with _opened(play) as desk:
        record, edit = await desk.taken(desk.writing.fields[0])
        fresh = await desk.anew(record, edit)
        for kind in ("server_error", "html", "reset"):
            before, effects = play.stage.calls(), len(play.stage.effects())
            play.stage.disturb(kind)
            try:
                await desk.one(fresh)
            except ClientError:
                sent = play.stage.calls() - before
                require(sent == 1, f"{kind}: sent {sent} times")
                require(len(play.stage.effects()) == effects, f"{kind}: something took effect")
                continue
            finally:
                play.stage.calm()
            raise Broken(f"{kind}: an outage looks like an outcome")


async def under_any_two_faults_a_write_takes_effect_once(play: Play) -> None:
    """Faults in pairs: whoever looks before writing again ends with the value, set once."""
    for first in _FAULTS:
        async with _opened(play) as desk:  # anew, so that no token ends meanwhile
            record, edit = await desk.taken(desk.writing.fields[0])
            for second in _FAULTS:
                fresh = await desk.anew(record, edit)
                before, said = desk.changes(), f"{first}, {second}"
                play.stage.disturb(first, 1)
                play.stage.disturb(second, 1)
                await _pushed(desk, record, fresh, said)
                play.stage.calm()
                require(desk.changes() == before + 1, f"{said}: {desk.changes() - before} effects")
                await desk.compare(record, fresh)


async def _pushed(desk: _Desk, record: str, edit: Edit, said: str) -> None:
    """Write, and after an error look whether it is there before writing again."""
    seen: EditValue = edit.based_on
    for _ in range(_TRIES):
        try:
            if seen != edit.value:
                outcome = await desk.one(edit)
                require(outcome.result is Result.DONE, f"{said}: {outcome.result} {outcome.reason}")
            return
        except ClientError:
            desk.play.stage.advance(_CALM)
        seen = await _look(desk, record, edit)
    raise Broken(f"{said}: there is no end to it")


async def _look(desk: _Desk, record: str, edit: Edit) -> EditValue:
    name = edit.variant.external_id if edit.variant is not None else ""
    for _ in range(_TRIES):
        try:
            after = await desk.again(record)
        except ClientError:
            desk.play.stage.advance(_CALM)
        else:
            return value_of(after, name, edit.field, edit.location, desk.writing.price)
    raise Broken("it cannot be read any more")


async def what_is_not_there_is_refused(play: Play) -> None:
    """A listing that the platform does not have: every field is refused, with a reason, and nothing takes effect."""
    async with _opened(play) as desk:
        for field in desk.writing.fields:
            _, edit = next(desk.candidates(field))
            variant = None if edit.variant is None else msgspec.structs.replace(edit.variant, external_id="999999999")
            gone = (
                (variant,)
                if variant is not None
                else tuple(msgspec.structs.replace(one, external_id="999999999") for one in edit.listing.variants)
            )
            listing = msgspec.structs.replace(edit.listing, external_id="999999999", variants=gone)
            before = len(play.stage.effects())
            outcome = await desk.one(Edit(edit.key, field, edit.value, listing, variant, edit.location))
            require(outcome.result is Result.REFUSED, f"{field}: {outcome.result}")
            require(outcome.reason or outcome.code, f"{field}: refused without a reason")
            require(len(play.stage.effects()) == before, f"{field}: something took effect")


PLAYS = (
    every_field_of_the_manifest_can_be_written,
    what_can_be_taken_away_is_gone,
    the_same_value_again_changes_nothing,
    a_lost_answer_is_an_error_and_one_effect,
    what_was_not_done_is_sent_again,
    an_outage_is_not_answered_by_writing_again,
    under_any_two_faults_a_write_takes_effect_once,
    what_is_not_there_is_refused,
)
