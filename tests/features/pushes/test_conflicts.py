"""Both sides changed a field: the rule decides, or a person, for that field alone, and it can be taken back."""

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal

import msgspec
import pytest
import pytest_asyncio
from tests.given import records as given_records
from tests.given.pushes import Given, given_pushes
from tests.house_database import Copy

from isthmus.connect.abilities import EditField
from isthmus.engine.db import Database
from isthmus.features import pushes
from isthmus.features.pushes.errors import ConflictDecided, ConflictNotFound, ConflictUndecided, WrongEdit
from isthmus.features.pushes.events import RulesSet
from isthmus.features.pushes.model.conflicts import ConflictFilter, FieldConflict
from isthmus.features.pushes.model.merging import Rule
from isthmus.features.pushes.service import reading, resolving
from isthmus.features.pushes.store import conflicts as store
from isthmus.kit.paging import Ask

PRICE, STOCK, TITLE = EditField.PRICE, EditField.STOCK, EditField.TITLE


@pytest_asyncio.fixture
async def at(database: Database, copied: Copy) -> AsyncIterator[Given]:
    yield given_pushes(database)
    await given_records.clear(copied)
    async with database.system() as tx:
        await tx.execute_sql("delete from pushes")
        await tx.execute_sql("delete from conflicts")
        await tx.execute_sql("delete from conflict_rules")


async def _rules(at: Given, given: Mapping[str, str]) -> None:
    async with at.scope.tx() as tx:
        await store.set_rules(tx, "con_one", given)
        tx.emit(RulesSet(subject="con_one"))


async def _diverged(at: Given, field: EditField, ours: object, theirs: object) -> str:
    """A listing of which both sides have changed a field since they agreed; our id of it."""
    ids = await at.stock(given_records.listing("p1"))
    await at.want(ids["p1"], field, ours)
    at.far.edit("p1", field, theirs)  # type: ignore[arg-type]
    await at.read()
    await at.work()
    return ids["p1"]


async def _conflicts(at: Given, state: str | None = None) -> list[FieldConflict]:
    return (await resolving.conflicts(at.scope, ConflictFilter(state=state), Ask(100))).items


@pytest.mark.parametrize(
    ("field", "rule", "ours", "theirs", "left"),
    [
        (STOCK, "lowest", 9, 7, 7),
        (STOCK, "highest", 9, 7, 9),
        (PRICE, "local", Decimal(12), Decimal(13), Decimal(12)),
        (PRICE, "marketplace", Decimal(12), Decimal(13), Decimal(13)),
        (TITLE, "newest", "Ours", "Theirs", "Theirs"),
    ],
)
async def test_the_rule_of_the_connection_decides_is_recorded_and_can_be_undone(
    at: Given, field: EditField, rule: str, ours: object, theirs: object, left: object
) -> None:
    await _rules(at, {field: rule})
    listing = await _diverged(at, field, ours, theirs)
    assert at.far.value("p1", field) == await at.shown(listing, field) == left
    [found] = await _conflicts(at)
    assert (found.automatic, found.state, found.rule, found.ours, found.theirs) == (
        True,
        "resolved",
        rule,
        ours,
        theirs,
    )
    await resolving.undo(at.scope, found.id)
    await at.work()
    assert at.far.value("p1", field) == (theirs if left == ours else ours)
    assert [one.state for one in await _conflicts(at)] == ["undone"]
    with pytest.raises(ConflictUndecided):
        await resolving.undo(at.scope, found.id)


async def test_a_manual_conflict_blocks_its_field_alone_and_tells_all_three_values(at: Given) -> None:
    listing = await _diverged(at, TITLE, "Ours", "Theirs")
    push = await at.want(listing, PRICE, "15")
    await at.work()
    assert (at.far.value("p1", PRICE), at.far.value("p1", TITLE)) == (Decimal(15), "Theirs")
    [found] = await _conflicts(at, "open")
    assert (found.base, found.ours, found.theirs) == (("Áo thun",), "Ours", "Theirs")
    assert (await reading.push(at.scope, push)).counts == {"done": 1}
    told = [one["body"] for one in await given_records.events(at.scope, "conflict.opened")]
    assert [(one["conflictId"], one["ours"], one["theirs"]) for one in told] == [(found.id, "Ours", "Theirs")]


@pytest.mark.parametrize(
    ("winner", "value", "left"), [("ours", None, "Ours"), ("theirs", None, "Theirs"), ("value", "Both", "Both")]
)
async def test_a_person_decides_for_one_side_or_for_a_third_value(
    at: Given, winner: resolving.Winner, value: str | None, left: str
) -> None:
    listing = await _diverged(at, TITLE, "Ours", "Theirs")
    [found] = await _conflicts(at, "open")
    decided = await resolving.resolve(at.scope, found.id, winner, value)
    assert (decided.state, decided.winner, decided.value, decided.automatic) == ("resolved", winner, left, False)
    await at.work()
    assert at.far.value("p1", TITLE) == await at.shown(listing, TITLE) == left
    assert await at.edits() == []
    with pytest.raises(ConflictDecided):
        await resolving.resolve(at.scope, found.id, "ours")


async def test_what_the_far_side_did_after_the_question_does_not_ask_it_again(at: Given) -> None:
    await _diverged(at, TITLE, "Ours", "Theirs")
    at.far.edit("p1", TITLE, "Theirs anew")
    await at.read()
    [found] = await _conflicts(at, "open")
    await resolving.resolve(at.scope, found.id, "ours")
    await at.work()
    assert (at.far.value("p1", TITLE), await _conflicts(at, "open")) == ("Ours", [])


async def test_a_newer_wish_for_a_field_in_conflict_is_what_the_question_is_about(at: Given) -> None:
    listing = await _diverged(at, TITLE, "Ours", "Theirs")
    await at.want(listing, TITLE, "Ours anew")
    await at.work()
    [found] = await _conflicts(at, "open")
    assert found.ours == "Ours anew"
    await resolving.resolve(at.scope, found.id, "ours")
    await at.work()
    assert at.far.value("p1", TITLE) == "Ours anew"


async def test_what_the_caller_saw_counts_as_the_last_common_state(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    await at.want(ids["p1"], STOCK, 8, based_on=(6,))
    await at.work()
    assert at.far.value("p1", STOCK) == 5
    assert [(one.base, one.winner) for one in await _conflicts(at)] == [((6,), "theirs")]


async def test_many_are_decided_by_a_rule_after_a_preview_of_its_effect(at: Given) -> None:
    ids = await at.stock(*(given_records.listing(f"p{one}") for one in range(3)))
    await _rules(at, {STOCK: "manual"})
    for number, id_ in enumerate(ids.values()):
        await at.want(id_, STOCK, 10 + number)
        at.far.edit(f"p{number}", STOCK, 11)
    await at.want(ids["p0"], TITLE, "Ours")
    at.far.edit("p0", TITLE, "Theirs")
    await at.read()
    await at.work()
    wanted = ConflictFilter()
    shown = await resolving.preview(at.scope, Rule.HIGHEST, wanted)
    assert sorted(one.value for one in shown.effects) == [11, 12]  # type: ignore[type-var] # amounts all
    assert shown.undecided == 1
    assert len(await _conflicts(at, "open")) == 3
    applied = await resolving.resolve_all(at.scope, Rule.HIGHEST, wanted)
    await at.work()
    assert (applied.wins("ours"), applied.wins("theirs"), applied.undecided) == (1, 1, 1)
    assert [at.far.value(f"p{one}", STOCK) for one in range(3)] == [11, 11, 12]
    assert [one.place.field for one in await _conflicts(at, "open")] == [TITLE]
    with pytest.raises(WrongEdit):
        await resolving.preview(at.scope, Rule.MANUAL, wanted)


async def test_the_newest_of_many_wins_where_the_platform_tells_its_time_and_the_rest_is_counted(at: Given) -> None:
    ids = await at.stock(*(given_records.listing(f"p{one}") for one in range(3)))
    for number in range(3):
        at.far.edit(f"p{number}", TITLE, "Theirs")
    at.clock.advance(60)
    await pushes.want(at.scope, [pushes.Want(id_, TITLE, "Ours") for id_ in ids.values()])
    at.clock.advance(60)
    at.far.edit("p1", TITLE, "Theirs anew")
    at.far.listings["p2"] = msgspec.structs.replace(at.far.listings["p2"], platform_updated_at=None)
    await at.read()
    await at.work()
    shown = await resolving.preview(at.scope, Rule.NEWEST, ConflictFilter())
    assert {one.value for one in shown.effects} == {"Ours", "Theirs anew"}
    assert (shown.wins("ours"), shown.wins("theirs"), shown.undecided) == (1, 1, 1)
    applied = await resolving.resolve_all(at.scope, Rule.NEWEST, ConflictFilter())
    assert (len(applied.effects), applied.undecided, len(await _conflicts(at, "open"))) == (2, 1, 1)


async def test_taking_a_push_back_closes_its_question(at: Given) -> None:
    ids = await at.stock(given_records.listing("p1"))
    push = await at.want(ids["p1"], TITLE, "Ours")
    at.far.edit("p1", TITLE, "Theirs")
    await at.read()
    await at.work()
    await reading.cancel(at.scope, push)
    assert ([one.state for one in await _conflicts(at)], await at.edits()) == (["undone"], [])
    with pytest.raises(ConflictNotFound):
        await resolving.conflict(at.scope, "cnf_nobodys")
