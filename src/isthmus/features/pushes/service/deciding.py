"""What is done next with the edits that were taken: by what the store shows of the far side, and by the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from isthmus.connect.edits import OF_VARIANT, Edit, EditField, EditValue, value_of, variant_of
from isthmus.connect.shapes import ListingStatus
from isthmus.features.pushes.model import merging
from isthmus.features.pushes.model.edits import ItemState, Later, LiveEdit, State, Winner
from isthmus.features.pushes.model.merging import Rule, Standing, Step
from isthmus.features.pushes.service.judging import refused
from isthmus.features.pushes.store.conflicts import Ended, Found
from isthmus.features.pushes.store.pushes import Closed
from isthmus.features.records import Whole
from isthmus.scope import Scope


@dataclass(slots=True)
class Plan:
    """What is to be sent, and what is settled without a call.

    `ended` are open questions that need nobody any more, by edit id.
    """

    sending: dict[str, tuple[LiveEdit, Edit]] = field(default_factory=dict)
    closed: dict[LiveEdit, Closed] = field(default_factory=dict)
    later: dict[str, Later] = field(default_factory=dict)
    conflicts: list[Found] = field(default_factory=list)
    ended: dict[str, Ended] = field(default_factory=dict)
    #: The listings as they were when it was decided.
    wholes: Mapping[str, Whole] = field(default_factory=dict)


_WINNERS: Final = {Step.AGREED: Winner.AGREED, Step.SEND: Winner.OURS, Step.YIELD: Winner.THEIRS}


def plan(
    scope: Scope, taken: Sequence[LiveEdit], wholes: Mapping[str, Whole], rules: Mapping[EditField, Rule], price: str
) -> Plan:
    """Decide over each edit; `price` is the manifest's `writing.price`."""
    made = Plan(wholes=wholes)
    for one in taken:
        whole = wholes.get(one.place.listing_id)
        if whole is None or whole.listing.status is ListingStatus.DELETED:
            made.closed[one] = refused(one, "LISTING_GONE", "The platform has no such listing any more.")
            continue
        place = one.place
        try:
            theirs = value_of(whole.listing, place.variant, place.field, place.location, price)
            edit = _edit(one, whole, theirs)
        except LookupError:
            made.closed[one] = refused(one, "VARIANT_GONE", "The listing has no such variant or location any more.")
            continue
        _step(scope, made, (one, edit), whole, rules[place.field])
    return made


def _edit(one: LiveEdit, whole: Whole, theirs: EditValue) -> Edit:
    place = one.place
    variant = variant_of(whole.listing, place.variant) if place.field in OF_VARIANT else None
    return Edit(
        key=one.key,
        field=place.field,
        value=one.value,
        listing=whole.listing,
        variant=variant,
        location=place.location,
        based_on=theirs,
        currency=one.currency,
    )


def _step(scope: Scope, made: Plan, pair: tuple[LiveEdit, Edit], whole: Whole, rule: Rule) -> None:
    one, edit = pair
    theirs = edit.based_on
    standing = Standing(one.value, theirs, one.base, one.sent, one.wanted_at, whole.listing.platform_updated_at)
    decision = merging.decide(standing, rule)
    winner = _WINNERS.get(decision.step)
    if one.state is State.CONFLICT and winner is not None:
        value = one.value if winner is Winner.OURS else theirs
        made.ended[one.id] = Ended(one.id, winner, value, theirs, decision.rule)
    elif decision.rule is not None:
        made.conflicts.append(Found(scope.id("cnf"), one, theirs, decision.rule, winner))
    if decision.step is Step.AGREED:
        state = ItemState.DONE if one.sent is not None and one.value in one.sent else ItemState.AGREED
        made.closed[one] = Closed(one.id, one.version, state)
    elif decision.step is Step.SEND:
        made.sending[one.id] = pair
    elif decision.step is Step.YIELD:
        made.closed[one] = Closed(one.id, one.version, ItemState.YIELDED, "RULE", f"Decided by the rule {rule}.")
    else:
        reason = "Both sides changed this; a person decides."
        made.later[one.id] = Later(State.CONFLICT, None, one.attempts, "CONFLICT", reason)
