"""The states of an action, and what follows an answer, a failure, or a look at the order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from isthmus.features.fulfilment import model
from isthmus.features.fulfilment.model import Again, Fault, Item, OrderAction, State, Step, Told
from isthmus.features.fulfilment.settings import Settings

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SETTINGS = Settings()
ACTION = OrderAction(
    id="act_1",
    order_id="ord_1",
    connection_id="con_1",
    provider="shop",
    external_id="o1",
    number="o1",
    kind="pack",
    lines=(),
    reason="",
    details={},
    state="sending",
    forced=False,
    sends=0,
    sent_at=None,
    fence=1,
    parked=False,
    retry_at=None,
    attempts=0,
    deaths=0,
    done=0,
    failed=0,
    error_code=None,
    error_message=None,
    status_before="ready_to_fulfil",
    status_after=None,
    requested_by="ann",
    created_at=NOON,
    finished_at=None,
    changed_at=NOON,
)
_FAULTS = st.builds(Fault, st.sampled_from(Told), st.just("CODE"), st.just("why"), st.floats(0, 1e9), st.booleans())
_DRAWS = st.floats(0, 1, exclude_max=True)


def test_an_action_that_has_ended_well_or_was_taken_back_is_never_sent_again_by_itself() -> None:
    for state in (State.DONE, State.REFUSED, State.CANCELLED, State.UNSURE):
        reached = {model.move(state, step) for step in Step if step not in {Step.RETRIED, Step.CONFIRMED}}
        assert reached <= {None, State.CANCELLED}
    assert {model.move(State.CANCELLED, step) for step in Step} == {None}


@given(st.lists(st.sampled_from(Step), max_size=30))
def test_only_a_worker_that_holds_an_action_says_how_it_ended(steps: list[Step]) -> None:
    state = State.WAITING
    for step in steps:
        following = model.move(state, step)
        if following in {State.DONE, State.REFUSED, State.UNSURE}:
            assert state is State.SENDING or (state, step) == (State.UNSURE, Step.CONFIRMED)
        state = following or state


def test_every_step_is_one_of_those_that_its_state_allows() -> None:
    for step in Step:
        assert all(model.move(state, step) is not None for state in model.before(step))


@given(_FAULTS, _DRAWS, st.integers(0, 20), st.booleans())
def test_what_may_have_happened_is_never_called_refused(fault: Fault, draw: float, attempts: int, doubt: bool) -> None:
    action = replace(ACTION, attempts=attempts, sent_at=NOON if doubt or fault.told is Told.UNKNOWN else None)
    following = model.after_fault(fault, action, draw, SETTINGS)
    if action.sent_at is not None:
        assert following not in {Step.REFUSED, Step.CANCELLED, Step.DONE}
    if isinstance(following, Again):
        assert timedelta(0) < following.after <= max(SETTINGS.max_backoff, SETTINGS.settle)
        assert fault.told is not Told.UNKNOWN or following.after >= SETTINGS.settle


@given(_FAULTS, _DRAWS)
def test_tries_come_to_an_end(fault: Fault, draw: float) -> None:
    action = replace(ACTION, attempts=SETTINGS.max_attempts, sent_at=NOON)
    assert not isinstance(model.after_fault(fault, action, draw, SETTINGS), Again)


@given(st.sampled_from([True, False, None]), st.sampled_from(["", "it is shipped"]), st.booleans())
def test_nothing_is_sent_again_unless_it_clearly_has_not_happened_or_a_person_says_so(
    shown: bool | None, why_not: str, forced: bool
) -> None:
    step = model.after_look(shown, why_not, forced=forced)
    if step is None:
        assert not why_not
        assert shown is False or forced
    if shown:
        assert step is Step.DONE
    if shown is None and not forced:
        assert step is Step.UNSURE


def test_a_request_is_looked_after_when_the_platform_has_had_its_time() -> None:
    assert model.settled(NOON, NOON + timedelta(seconds=4), SETTINGS) == timedelta(seconds=6)
    assert model.settled(NOON, NOON + timedelta(minutes=4), SETTINGS) == timedelta(0)


def test_what_was_not_done_of_it_is_tried_once_more() -> None:
    done, failed = Item("1", "done", "", ""), Item("2", "refused", "700026", "no")
    assert model.ending((done, failed)) is Step.DONE
    assert model.ending((failed,)) is Step.REFUSED
    assert model.left_over((done, failed), "act_1") == ("2",)
    assert model.left_over((Item("act_1", "refused", "x", "no"),), "act_1") == ()
