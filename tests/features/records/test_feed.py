"""A system that follows the feed learns of every change once, in commit order, also of those committed late."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from tests.given import records as given
from tests.house_database import Copy

from isthmus.connect.record import Record
from isthmus.engine.db import Database
from isthmus.features import records
from isthmus.features.records.errors import FeedTooOld
from isthmus.features.records.service import changes
from isthmus.kit.clock import SYSTEM, ManualClock
from isthmus.kit.errors import Invalid
from isthmus.scope import Scope


@pytest_asyncio.fixture
async def scope(database: Database, copied: Copy) -> AsyncIterator[Scope]:
    yield given.scope(given.engine(database))
    await given.clear(copied)


async def _told(scope: Scope, since: str | None = None) -> list[str]:
    return [str(one.about["externalId"]) for one in (await changes(scope, since, (), 100)).items]


async def test_changes_come_in_pages_and_the_place_leads_on(scope: Scope) -> None:
    await given.write(scope, given.listing("a"), given.listing("b"))
    await given.write(scope, given.listing("a", title="New"))
    first = await changes(scope, None, (), 2)
    assert ([one.change for one in first.items], first.has_more) == (["created", "created"], True)
    rest = await changes(scope, first.next, ("product",), 100)
    assert [(one.kind, one.change, one.about["externalId"]) for one in rest.items] == [("product", "updated", "a")]
    none = await changes(scope, rest.next, (), 100)
    assert (none.items, none.has_more, await _told(scope, none.next)) == ([], False, [])
    assert (await changes(scope, None, ("order",), 100)).items == []


async def test_a_change_that_is_committed_late_is_not_skipped(scope: Scope) -> None:
    async with scope.tx() as late:
        await records.write_listings(late, scope, given.Origin(), [given.item(given.listing("late"))])
        await late.flush()
        await given.write(scope, given.listing("early"), origin=given.Origin("con_two"))
        before = await changes(scope, None, (), 100)
        assert [one.about["externalId"] for one in before.items] == []
    assert sorted(await _told(scope, before.next)) == ["early", "late"]


async def test_now_begins_with_what_comes_next(scope: Scope) -> None:
    await given.write(scope, given.listing("a"))
    place = (await changes(scope, "now", (), 100)).next
    await given.write(scope, given.listing("b"))
    assert await _told(scope, place) == ["b"]


async def test_a_place_whose_followers_are_forgotten_is_refused_and_so_is_an_invented_one(database: Database) -> None:
    engine = given.engine(database, {records.Follow: records.Follow(timedelta(days=30))})
    clock = ManualClock(SYSTEM.now())
    scope = given.scope(engine, "ten_feed", clock)
    await given.write(scope, given.listing("a"))
    place = (await changes(scope, None, (), 100)).next
    clock.advance(31 * 86_400)
    with pytest.raises(FeedTooOld):
        await changes(scope, place, (), 100)
    place = (await changes(scope, "now", (), 100)).next
    clock.advance(29 * 86_400)
    place = (await changes(scope, place, (), 100)).next
    clock.advance(29 * 86_400)
    assert (await changes(scope, place, (), 100)).items == []
    clock.advance(2 * 86_400)
    with pytest.raises(FeedTooOld):
        await changes(scope, place, (), 100)
    with pytest.raises(Invalid):
        await changes(scope, "1; drop", (), 100)


async def test_what_may_not_be_read_any_more_is_passed_over_and_told_again_when_it_may(scope: Scope) -> None:
    await given.write(scope, given.listing("mine"))
    await given.write(scope, given.listing("walled"), origin=given.Origin("con_two"))
    kinds = records.Kind("contacts", "contact"), records.Kind("tickets", "ticket")
    async with scope.tx() as tx:
        for kind in kinds:
            item = records.record_item(Record(f"a-{kind.shard_type}", "A"))
            await records.write_records(tx, scope, given.Origin(), kind, [item])
    assert sorted(await _told(scope)) == ["a-contact", "a-ticket", "mine", "walled"]
    async with scope.tx() as tx:
        await records.set_hidden(tx, ["con_two"], ["product"])
        await records.set_hidden(tx, [given.Origin().id], ["contact"])
    assert sorted(await _told(scope)) == ["a-ticket", "mine"]
    assert [one.kind for one in (await changes(scope, None, (), 1)).items] == ["product"]
    async with scope.tx() as tx:
        hides = (await records.hides_of(tx, [scope.tenant_id, "ten_open"]))[scope.tenant_id]
    pushed = {"connectionId": "con_two", "shardType": "product", "payload": {"name": "walled"}}
    told = {"webhook.received": pushed, "webhook.event_published": {"type": "custom.a", "data": pushed}}
    assert [hides({"type": kind, "body": body}) for kind, body in told.items()] == [True, False]
    assert not hides({"type": "webhook.received", "body": pushed | {"shardType": "order"}})
    async with scope.tx() as tx:
        await records.set_hidden(tx, ["con_two", given.Origin().id], [])
    assert len(await _told(scope)) == 4
