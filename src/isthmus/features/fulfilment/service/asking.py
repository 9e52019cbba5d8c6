"""What people ask of orders: one action, the same for many, and what would be possible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from isthmus.client import ClientError
from isthmus.connect.acting import Action, ActionKind, WrongDetail
from isthmus.connect.budgets import Overrun
from isthmus.connect.shapes import Order
from isthmus.features import orders
from isthmus.features.connections import ConnectionNotFound
from isthmus.features.fulfilment import model, store
from isthmus.features.fulfilment.errors import (
    ActionInProgress,
    ActionNotAllowed,
    ActionNotOffered,
    TooManyActions,
    WrongAction,
)
from isthmus.features.fulfilment.events import ActionRequested
from isthmus.features.fulfilment.model import OrderAction, event_body
from isthmus.features.fulfilment.service.far import Facts, actors, check
from isthmus.features.fulfilment.service.working import JOB
from isthmus.features.fulfilment.settings import Settings
from isthmus.features.fulfilment.store import Opening
from isthmus.kit.errors import Problem, Unavailable
from isthmus.scope import Scope, Tx

_REASON = 200
_DETAIL = 500
_ENDLESS = "The connector did not come to an end over this order."
_FAILED = "The connector failed over this order; nothing was done."


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done: `lines` by the platform's ids, empty for all."""

    kind: ActionKind
    lines: Sequence[str] = ()
    reason: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Possible:
    """One kind of action with an order; `why_not` is empty where the platform would allow it now."""

    kind: ActionKind
    why_not: str
    reasons: tuple[str, ...]
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An order of many with which nothing was begun."""

    order_id: str
    problem: Problem


async def push(scope: Scope, order_id: str, asked: Asked) -> OrderAction:
    """Have one thing done with one order; a worker takes it at once.

    Raises NotFound, ActionNotOffered, ActionNotAllowed, ActionInProgress, WrongAction, TooManyActions, and what the
    connections raise.
    """
    opening = await _prepared(scope, order_id, asked)
    async with scope.tx() as tx:
        await _room(scope, tx, 1)
        return await _opened(scope, tx, opening)


async def push_many(scope: Scope, order_ids: Sequence[str], asked: Asked) -> list[OrderAction | Refusal]:
    """The same thing with many orders, each by itself: what is begun and what is not, in their order.

    Raises WrongAction for more orders than the settings allow, TooManyActions.
    """
    most = scope.part(Settings).bulk
    wanted = list(dict.fromkeys(order_ids))
    if not 1 <= len(wanted) <= most:
        raise WrongAction.field("orderIds", f"Name 1 to {most} orders.")
    prepared = [await _prepared_or_not(scope, order_id, asked) for order_id in wanted]
    answers: list[OrderAction | Refusal] = []
    async with scope.tx() as tx:
        await _room(scope, tx, len(wanted))
        for order_id, opening in zip(wanted, prepared, strict=True):
            if isinstance(opening, Refusal):
                answers.append(opening)
                continue
            try:
                answers.append(await _opened(scope, tx, opening))
            except ActionInProgress as failure:
                answers.append(Refusal(order_id, failure))
    return answers


async def possible(scope: Scope, order_id: str) -> list[Possible]:
    """What can be done with an order, and what of it now; nothing where its connection is gone.

    Raises NotFound, IntegrationDisabled, ShardTypeForbidden.
    """
    found = await orders.order(scope, order_id)
    try:
        facts = await actors(scope).facts(scope, found.row["connection_id"])
    except (ActionNotOffered, ConnectionNotFound):
        return []
    acting = facts.acting
    return [
        Possible(
            kind,
            _why_not(facts, Action("", kind, found.order)),
            acting.cancel_reasons if kind is ActionKind.CANCEL else (),
            acting.details_of(kind),
        )
        for kind in acting.kinds
    ]


def _why_not(facts: Facts, action: Action) -> str:
    try:
        return check(facts, action)
    except WrongDetail:
        return ""
    except Overrun:
        return _ENDLESS
    except ClientError:  # it runs in a process of its own, which has died
        return _FAILED


async def _prepared_or_not(scope: Scope, order_id: str, asked: Asked) -> Opening | Refusal:
    try:
        return await _prepared(scope, order_id, asked)
    except Problem as failure:
        return Refusal(order_id, failure)


async def _prepared(scope: Scope, order_id: str, asked: Asked) -> Opening:
    found = await orders.order(scope, order_id)
    row = found.row
    try:
        facts = await actors(scope).facts(scope, row["connection_id"])
    except ConnectionNotFound:
        raise ActionNotOffered("The order's connection has ended.", details={"offered": []}) from None
    _check_wish(facts, asked)
    lines = _units(found.order, asked.lines)
    action = Action("", asked.kind, found.order, lines, asked.reason, asked.details)
    try:
        why_not = check(facts, action)
    except WrongDetail as wrong:
        raise WrongAction.field(wrong.name, wrong.reason) from wrong
    except Overrun:
        why_not = _ENDLESS
    except ClientError as failure:
        raise Unavailable(_FAILED) from failure
    if why_not:
        raise ActionNotAllowed(why_not, details={"action": asked.kind, "status": found.order.status})
    return Opening(
        scope.id("act"),
        row["id"],
        row["connection_id"],
        row["provider"],
        row["external_id"],
        row["number"],
        asked.kind,
        lines,
        asked.reason,
        asked.details,
        found.order.status,
        scope.principal.id,
    )


def _check_wish(facts: Facts, asked: Asked) -> None:
    acting = facts.acting
    if asked.kind not in acting.kinds:
        raise ActionNotOffered(details={"offered": list(acting.kinds)})
    allowed = acting.details_of(asked.kind)
    for name, value in asked.details.items():
        if name not in allowed:
            shown = ", ".join(allowed) or "none"
            raise WrongAction.field(f"details.{name[:60]}", f"There is no such detail of this action; known: {shown}.")
        if not value or len(value) > _DETAIL:
            raise WrongAction.field(f"details.{name}", f"A text of 1 to {_DETAIL} characters.")
    if len(asked.reason) > _REASON:
        raise WrongAction.field("reason", f"At most {_REASON} characters.")
    reasons = acting.cancel_reasons
    if asked.kind is ActionKind.CANCEL and reasons and asked.reason not in reasons:
        raise WrongAction.field("reason", f"This marketplace takes one of {', '.join(reasons)}.")


def _units(order: Order, lines: Sequence[str]) -> tuple[str, ...]:
    units = model.units_of(order, lines)
    if units is None:
        raise WrongAction.field("lines", "Name lines of this order by their externalId.")
    return units


async def _room(scope: Scope, tx: Tx, wanted: int) -> None:
    most = scope.part(Settings).live
    if await store.live_count(tx) + wanted > most:
        raise TooManyActions(details={"limit": most}, retry_after=30)


async def _opened(scope: Scope, tx: Tx, opening: Opening) -> OrderAction:
    """Write the action and wake a worker for it."""
    action = await store.open_action(tx, opening, scope.now)
    if action is None:
        live = (await store.live_of(tx, [opening.order_id])).get(opening.order_id)
        raise ActionInProgress(details={"actionId": live.id, "action": live.kind, "state": live.state} if live else {})
    told = {"lines": list(action.lines), "reason": action.reason, "details": dict(action.details)}
    before = {"status": action.status_before}
    tx.emit(ActionRequested(subject=action.order_id, body={**event_body(action), **told}, before=before))
    await tx.enqueue(JOB, action.id)
    return action
