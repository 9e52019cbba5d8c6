"""What can be done with an order of WooCommerce: its status, and a tracking number as a note (marketplaces.md 7.4)."""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from isthmus.connect import judging, reading
from isthmus.connect.acting import Action, ActionKind, WrongDetail
from isthmus.connect.reading import Loose
from isthmus.connect.shapes import Order
from isthmus.connect.spi import Session
from isthmus.connect.writing import Outcome, Result

#: The status that each action gives an order.
_GIVES = {
    ActionKind.CONFIRM: "processing",
    ActionKind.DELIVERED: "completed",
    ActionKind.CANCEL: "cancelled",
}
_ENDED = frozenset({"cancelled", "refunded", "trash"})
_UNPAID = frozenset({"pending", "failed", "checkout-draft"})
#: The states in which an action makes no sense; plugins have states of their own, in which every one may.
_NOT_IN = {
    ActionKind.CONFIRM: _ENDED | {"processing", "completed"},
    ActionKind.DELIVERED: _ENDED | _UNPAID | {"completed"},
    ActionKind.CANCEL: _ENDED | {"completed"},
    ActionKind.TRACK: _ENDED | _UNPAID,
}
#: What a status that lies behind a wanted one proves as well.
_LATER = {"processing": frozenset({"processing", "completed"})}


class _Note(msgspec.Struct):
    note: Loose = None


class _Changed(msgspec.Struct):
    status: Loose = None


_NOTES = reading.decoder(list[_Note])
_CHANGED = reading.decoder(_Changed)


def check(action: Action) -> str:
    """Why it would not be allowed; empty where it would (pure). Raises WrongDetail."""
    if action.kind not in _NOT_IN:
        return f"WooCommerce has no action {action.kind.value}."
    if action.order.platform_status in _NOT_IN[action.kind]:
        return f"The order is {action.order.platform_status}."
    if action.lines:
        raise WrongDetail("lines", "WooCommerce changes orders as a whole; leave the lines out.")
    if action.kind is ActionKind.TRACK and not action.details.get("trackingNumber"):
        raise WrongDetail("trackingNumber", "A tracking number is missing.")
    return ""


async def act(session: Session, orders: str, action: Action) -> Sequence[Outcome]:
    """Do what `check` allowed; `orders` is the address of the orders. Raises client errors."""
    path = f"{orders}/{quote(action.order.external_id, safe='')}"
    if action.kind is ActionKind.TRACK:
        return [await _noted(session, f"{path}/notes", action)]
    wanted = _GIVES[action.kind]
    answer = await session.client.put(path, {"status": wanted}, idempotent=False)
    shown = reading.line(judging.decoded(answer, _CHANGED).status)
    if shown == wanted:
        return [Outcome(action.key)]
    return [Outcome(action.key, Result.REFUSED, "not_taken", f"The shop shows {shown or 'nothing'} instead.")]


async def _noted(session: Session, path: str, action: Action) -> Outcome:
    """A note that stands there already is not written again: the buyer may be sent each one by e-mail."""
    note = _text(action)
    known = judging.decoded(await session.client.get(path), _NOTES)
    if not any(reading.line(one.note) == note for one in known):
        told = session.account.settings.get("notify_buyers") != "false"
        await session.client.post(path, {"note": note, "customer_note": told}, idempotent=False)
    return Outcome(action.key)


def _text(action: Action) -> str:
    """The tracking number as a sentence, the same one for the same parcel."""
    carrier, number, url = (action.details.get(name, "") for name in ("carrier", "trackingNumber", "trackingUrl"))
    sentence = f"Shipped with {carrier}, tracking number {number}." if carrier else f"Tracking number {number}."
    return reading.line(f"{sentence} {url}" if url else sentence)


def shows(action: Action, order: Order) -> bool | None:
    """Whether the order has the status; notes are no part of an order, so of tracking nobody can tell (pure)."""
    wanted = _GIVES.get(action.kind)
    if wanted is None:
        return None
    return order.platform_status in _LATER.get(wanted, {wanted})
