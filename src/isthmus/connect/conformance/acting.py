"""Plays about acting on orders: what a state allows is done once and shown, answers are lost, nothing is repeated."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from isthmus.client import ClientError, PlatformError
from isthmus.connect.abilities import Acting, ActionKind
from isthmus.connect.acting import Action, ActsOnOrders, WrongDetail
from isthmus.connect.conformance.report import Broken, require
from isthmus.connect.conformance.stage import Play
from isthmus.connect.shapes import Order
from isthmus.connect.spi import ReadsOne, ReadsOrders, Session
from isthmus.connect.writing import Outcome, Result
from isthmus.kit import ids

#: What a script can bring an order to, one order after the other, until one of them allows the action.
_STATES: Final = ("paid", "packed", "ready", "shipped", "cancel_asked", "unpaid")
_OVER: Final = "cancelled"
#: Some orders cannot be sent in the way that is asked for, as with a carrier that the platform does not know.
_TRIES: Final = 6
#: Seconds after which the platform has forgotten how often it was called.
_REST: Final = 10.0


@dataclass(slots=True)
class _Till:
    """A connector that acts on orders, in a session."""

    play: Play
    actor: ActsOnOrders
    one: ReadsOne
    orders: ReadsOrders
    acting: Acting
    session: Session
    #: The calls that the last action took: the one that writes is the last of them.
    asked: int = 1
    #: What it changed, thing by thing.
    caused: int = 0

    async def again(self, key: str) -> Order:
        raw = await self.one.fetch(self.session, "orders", key)
        if raw is None:
            raise Broken(f"order {key} is gone")
        return self.orders.map_order(raw, self.session.account)

    async def placed(self, state: str) -> Order:
        """A new order in that state."""
        key = self.play.stage.place_order()
        if state != "paid":
            self.play.stage.move_order(key, state)
        return await self.again(key)

    def action(self, kind: ActionKind, order: Order, *, place: bool = False) -> Action:
        """An action that says no more than it must: a number or a reason; a warehouse where it is asked to."""
        number = f"TRACK-{ids.token(40)}" if kind is ActionKind.TRACK else ""
        known = {"trackingNumber": number, "warehouse": self.play.stage.place() if place else ""}
        allowed = self.acting.details_of(kind)
        details = {name: value for name, value in known.items() if value and name in allowed}
        cancelling = kind is ActionKind.CANCEL
        reason = self.acting.cancel_reasons[0] if cancelling and self.acting.cancel_reasons else ""
        return Action(ids.token(80), kind, order, (), reason, details)

    async def allowed(self, kind: ActionKind) -> AsyncIterator[Action]:
        """Actions of this kind with orders that would allow them, every second one with a warehouse."""
        for state in _STATES:
            for number in range(_TRIES):
                action = self.action(kind, await self.placed(state), place=number % 2 == 1)
                if not self.fits(action):
                    break
                yield action

    def fits(self, action: Action) -> bool:
        """Whether the order's state allows it; one that says too little fits no order."""
        try:
            return not self.actor.check(action)
        except WrongDetail:
            return False

    async def act(self, action: Action) -> Sequence[Outcome]:
        self.play.stage.advance(_REST)
        before, effects = self.play.stage.calls(), len(self.play.stage.effects())
        try:
            return await self.actor.act(self.session, action)
        finally:
            self.asked = self.play.stage.calls() - before
            self.caused = len(self.play.stage.effects()) - effects

    async def shows(self, action: Action) -> bool | None:
        return self.actor.shows(action, await self.again(action.order.external_id))

    async def taken(self) -> Action:
        """An action that the platform has taken: the first of the manifest that some order allows."""
        for kind in self.acting.kinds:
            async for action in self.allowed(kind):
                try:
                    outcomes = await self.act(action)
                except PlatformError:
                    continue
                if all(one.result is Result.DONE for one in outcomes):
                    return action
        raise Broken("no action of the manifest is taken of any order")

    async def others(self, like: Action) -> AsyncIterator[Action]:
        """The same with other orders, not yet done; in the same words where it says some."""
        async for action in self.allowed(like.kind):
            if action.details.keys() == like.details.keys():
                yield action

    async def failing(self, fault: str) -> Action:
        """An action whose writing call meets this fault; what the platform refuses instead is passed over."""
        first = await self.taken()
        calls = self.asked
        async for action in self.others(first):
            self.play.stage.disturb(fault, 1, after=calls - 1)
            try:
                await self.act(action)
            except PlatformError:
                continue
            except ClientError as failure:
                require(failure.sent, f"{fault}: it is not said that something was sent")
                require(self.asked == calls, f"{fault}: {self.asked} calls instead of {calls}")
                return action
            finally:
                self.play.stage.calm()
            raise Broken(f"{fault}: no answer looks like a good one")
        raise Broken(f"{first.kind}: no second order allows it")


@asynccontextmanager
async def _opened(play: Play) -> AsyncIterator[_Till]:
    connector, acting = play.connector, play.manifest.acting
    require(isinstance(connector, ActsOnOrders), "the manifest has [acting], the connector does not act")
    require(isinstance(connector, ReadsOne), "whoever acts on orders can look at one of them")
    granted = (await play.connect())[0]
    async with play.session(granted) as session:
        if isinstance(connector, ActsOnOrders) and acting is not None:
            yield _Till(play, connector, _one(connector), _orders(connector), acting, session)


def _one(connector: object) -> ReadsOne:
    if not isinstance(connector, ReadsOne):
        raise Broken("it reads no single order")
    return connector


def _orders(connector: object) -> ReadsOrders:
    if not isinstance(connector, ReadsOrders):
        raise Broken("it reads no orders")
    return connector


async def what_an_order_allows_is_done_and_shown(play: Play) -> None:
    """Each kind that some order of the stage allows: not shown before, one outcome or more, not denied behind it."""
    async with _opened(play) as till:
        done = set()
        for kind in till.acting.kinds:
            async for action in till.allowed(kind):
                require(till.actor.shows(action, action.order) is not True, f"{kind}: shown before it is done")
                try:
                    outcomes = await till.act(action)
                except PlatformError:
                    require(not till.caused, f"{kind}: refused, and yet it took effect")
                    continue
                require(outcomes, f"{kind}: no outcome")
                if all(one.result is Result.DONE for one in outcomes):
                    require(till.caused, f"{kind}: nothing took effect")
                    require(await till.shows(action) is not False, f"{kind}: done, and the order denies it")
                    done.add(kind)
                    break
        require(done, "no action of the manifest is taken of any order")


async def orders_that_are_over_allow_nothing(play: Play) -> None:
    """Nothing is asked of a platform that it would refuse in any case."""
    async with _opened(play) as till:
        order = await till.placed(_OVER)
        for kind in till.acting.kinds:
            why_not = till.actor.check(till.action(kind, order))
            require(why_not, f"{kind}: allowed of an order that is {_OVER}")


async def a_lost_answer_of_an_action_is_an_error_and_done_once(play: Play) -> None:
    """The request is never sent again by itself, and the order does not deny what happened."""
    async with _opened(play) as till:
        action = await till.failing("drop_reply")
        require(till.caused, "the effect is missing")
        require(await till.shows(action) is not False, "the order denies what happened: it would be done twice")


async def a_request_that_never_arrived_is_seen_as_not_done(play: Play) -> None:
    """Only what the order clearly does not show may be sent again."""
    async with _opened(play) as till:
        action = await till.failing("reset")
        require(not till.caused, "something took effect")
        shown = await till.shows(action)
        require(shown is not True, "the order shows what has not happened: it would never be done")
        if shown is False:
            await till.act(action)
            require(await till.shows(action) is not False, "sent again, and the order denies it")


PLAYS = (
    what_an_order_allows_is_done_and_shown,
    orders_that_are_over_allow_nothing,
    a_lost_answer_of_an_action_is_an_error_and_done_once,
    a_request_that_never_arrived_is_seen_as_not_done,
)
