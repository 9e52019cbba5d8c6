"""Conflicts, their decisions, and the rules that decide by themselves."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from isthmus.connect.edits import EditField
from isthmus.features.connections import ConnectionNotFound, ShardTypeForbidden
from isthmus.features.pushes.errors import (
    ConflictDecided,
    ConflictNotFound,
    ConflictUndecided,
    NotWritable,
    RulesChangedMeanwhile,
    WrongEdit,
)
from isthmus.features.pushes.model.conflicts import ConflictFilter, FieldConflict
from isthmus.features.pushes.model.merging import Rule
from isthmus.features.pushes.model.values import shown
from isthmus.features.pushes.routes.pushes import PUSH, READ, PushOut
from isthmus.features.pushes.routes.pushes import _out as push_out
from isthmus.features.pushes.routes.pushes import _typed as typed
from isthmus.features.pushes.service import reading, resolving
from isthmus.features.pushes.service import rules as ruling
from isthmus.features.pushes.service.resolving import Effect
from isthmus.features.pushes.service.rules import Rules
from isthmus.http import Answer, PageDep, Routes, ScopeDep, Wire, accepted, document
from isthmus.kit.paging import Page

routes = Routes(prefix="/api/sync/conflicts", tag="Sync")
_SHOWN = 100
#: What has become of the connection meanwhile.
_UNREACHED = (NotWritable, ConnectionNotFound, ShardTypeForbidden)
_Value = str | int | bool | None


class ConflictOut(Answer, frozen=True, kw_only=True):
    """Both sides changed a field since they last agreed on `base`; `value` is what the decision made of it."""

    id: str
    connection_id: str
    listing_id: str
    variant: str
    field: str
    location: str
    base: _Value
    base_known: bool
    ours: _Value
    theirs: _Value
    state: str
    rule: str
    winner: str | None
    value: _Value
    automatic: bool
    decided_by: str | None
    created_at: datetime
    decided_at: datetime | None


class ConflictList(Answer, frozen=True, kw_only=True):
    """A page of conflicts."""

    items: list[ConflictOut]
    limit: int
    has_more: bool
    next_cursor: str | None = None


class ResolveConflict(Wire):
    """Who wins; `value` is the third value where neither side is to win."""

    winner: Literal["ours", "theirs", "value"]
    value: Decimal | bool | str | None = None


class ResolveMany(Wire):
    """A rule for all open conflicts of a filter; `dryRun` shows what it would do."""

    rule: Literal["marketplace", "local", "newest", "highest", "lowest"]
    connection_id: Annotated[str, Field(max_length=64)] | None = None
    field: EditField | None = None
    listing_id: Annotated[str, Field(max_length=64)] | None = None
    dry_run: bool = False


class EffectOut(Answer, frozen=True, kw_only=True):
    """What a decision makes of one conflict."""

    conflict_id: str
    listing_id: str
    variant: str
    field: str
    winner: str | None
    value: _Value


class Effects(Answer, frozen=True, kw_only=True):
    """What a rule does, or would do: counts over all, and the first 100.

    `undecided` is how many stay open, since the rule cannot decide them: `highest` and `lowest` compare amounts, and
    `newest` needs the platform's time of its change.
    """

    ours: int
    theirs: int
    undecided: int
    dry_run: bool
    first: list[EffectOut]


class FieldRules(Wire):
    """The rule of each field; one that is left out follows the rules of all connections, or the usual ones."""

    price: Rule | None = None
    sale_price: Rule | None = None
    stock: Rule | None = None
    title: Rule | None = None
    description: Rule | None = None
    published: Rule | None = None


class RulesOut(Answer, frozen=True, kw_only=True):
    """`rules` are in force; `own` were set for this connection, or for all."""

    rules: dict[str, str]
    own: dict[str, str]
    etag: str


@routes.get("", permission=READ, limit="other", response_model=ConflictList, summary="Conflicts, newest first")
async def list_conflicts(
    scope: ScopeDep,
    paging: PageDep,
    connection_id: Annotated[str | None, Query(alias="connectionId", max_length=64)] = None,
    state: Annotated[Literal["open", "resolved", "undone"] | None, Query()] = None,
    field: Annotated[EditField | None, Query()] = None,
    listing_id: Annotated[str | None, Query(alias="listingId", max_length=64)] = None,
) -> Response:
    """Open ones wait for a person; decisions of rules are kept too and can be undone."""
    wanted = ConflictFilter(connection_id, state, field, listing_id)
    page = await resolving.conflicts(scope, wanted, paging.ask)
    return paging.listing("items", Page([_out(one) for one in page.items], page.next_after, None, page.has_more))


@routes.post(
    "/resolve",
    permission=PUSH,
    limit="other",
    response_model=Effects,
    summary="Decide many conflicts by a rule",
    errors=(WrongEdit, *_UNREACHED),
)
async def resolve_many(scope: ScopeDep, body: ResolveMany) -> Response:
    """A rule that cannot decide over a field leaves it open, and `undecided` counts it."""
    wanted = ConflictFilter(body.connection_id, "open", body.field, body.listing_id)
    act = resolving.preview if body.dry_run else resolving.resolve_all
    judged = await act(scope, Rule(body.rule), wanted)
    return document(
        Effects(
            ours=judged.wins("ours"),
            theirs=judged.wins("theirs"),
            undecided=judged.undecided,
            dry_run=body.dry_run,
            first=[_effect(one) for one in judged.effects[:_SHOWN]],
        )
    )


@routes.get("/rules", permission=READ, limit="other", response_model=RulesOut, summary="The rules of all connections")
async def get_rules(scope: ScopeDep) -> Response:
    """Who wins where both sides changed a field: stock takes the lower amount and all else waits, unless it is set."""
    return document(_rules(await ruling.rules(scope, None)))


@routes.put(
    "/rules",
    permission=PUSH,
    limit="other",
    response_model=RulesOut,
    summary="Set the rules of all connections",
    errors=(WrongEdit,),
    if_changed=RulesChangedMeanwhile,
)
async def put_rules(scope: ScopeDep, body: FieldRules) -> Response:
    """Of those that have none of their own."""
    return document(_rules(await ruling.set_rules(scope, None, _given(body))))


@routes.get(
    "/rules/{connection_id}",
    permission=READ,
    limit="other",
    response_model=RulesOut,
    summary="A connection's rules",
    errors=(ConnectionNotFound,),
)
async def get_rules_of(scope: ScopeDep, connection_id: str) -> Response:
    """What is in force there, and what of it was set for this connection."""
    return document(_rules(await ruling.rules(scope, connection_id)))


@routes.put(
    "/rules/{connection_id}",
    permission=PUSH,
    limit="other",
    response_model=RulesOut,
    summary="Set a connection's rules",
    errors=(ConnectionNotFound, WrongEdit),
    if_changed=RulesChangedMeanwhile,
)
async def put_rules_of(scope: ScopeDep, connection_id: str, body: FieldRules) -> Response:
    """Replaces them all."""
    return document(_rules(await ruling.set_rules(scope, connection_id, _given(body))))


@routes.get(
    "/{id}",
    permission=READ,
    limit="other",
    response_model=ConflictOut,
    summary="One conflict",
    errors=(ConflictNotFound,),
)
async def get_conflict(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's own word
    """What both sides have, what they last agreed on, and how it was decided."""
    return document(_out(await resolving.conflict(scope, id)))


@routes.post(
    "/{id}/resolve",
    permission=PUSH,
    limit="other",
    response_model=ConflictOut,
    summary="Decide a conflict",
    errors=(ConflictNotFound, ConflictDecided, WrongEdit, *_UNREACHED),
)
async def resolve_one(scope: ScopeDep, id: str, body: ResolveConflict) -> Response:  # noqa: A002 - the path's own word
    """`theirs` keeps what the platform has; the others are sent."""
    found = await resolving.conflict(scope, id)
    value = typed(found.place.field, body.value)
    return document(_out(await resolving.resolve(scope, id, body.winner, value)))


@routes.post(
    "/{id}/undo",
    permission=PUSH,
    limit="other",
    response_model=PushOut,
    summary="Take a decision back",
    status=202,
    errors=(ConflictNotFound, ConflictUndecided, *_UNREACHED),
)
async def undo_one(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the path's own word
    """The value that had lost is wanted again; answers the push that brings it."""
    return accepted(push_out(await reading.push(scope, await resolving.undo(scope, id))))


def _given(body: FieldRules) -> dict[EditField, Rule]:
    sent = body.model_dump(by_alias=True, exclude_none=True)
    return {EditField(name): Rule(rule) for name, rule in sent.items()}


def _rules(found: Rules) -> RulesOut:
    return RulesOut(
        rules={name.value: rule.value for name, rule in found.rules.items()},
        own={name.value: rule.value for name, rule in found.own.items()},
        etag=found.etag,
    )


def _out(one: FieldConflict) -> ConflictOut:
    place = one.place
    return ConflictOut(
        id=one.id,
        connection_id=one.connection_id,
        listing_id=place.listing_id,
        variant=place.variant,
        field=place.field,
        location=place.location,
        base=None if one.base is None else shown(one.base[0]),
        base_known=one.base is not None,
        ours=shown(one.ours),
        theirs=shown(one.theirs),
        state=one.state,
        rule=one.rule,
        winner=one.winner,
        value=shown(one.value),
        automatic=one.automatic,
        decided_by=one.decided_by,
        created_at=one.created_at,
        decided_at=one.decided_at,
    )


def _effect(one: Effect) -> EffectOut:
    place = one.conflict.place
    return EffectOut(
        conflict_id=one.conflict.id,
        listing_id=place.listing_id,
        variant=place.variant,
        field=place.field,
        winner=one.winner,
        value=shown(one.value),
    )
