"""All interleavings of workers that refresh one rotating pair, against a platform that kills a grant sent twice."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from isthmus.features.connections.model import lease as model
from isthmus.features.connections.model.connection import Status
from isthmus.features.connections.model.lease import Denial, Denied, Refresh, Taken

AT = datetime(2026, 1, 1, tzinfo=UTC)
LENGTH = timedelta(seconds=30)
FRESH = Refresh(1, Status.CONNECTED)


@dataclass(frozen=True)
class Worker:
    """Where one process stands: idle, leased, sent, or gone; what it holds of the platform's answer."""

    step: str = "idle"
    version: int = 0
    answer: str = ""


@dataclass(frozen=True)
class Search:
    """One state of the whole: the row, the platform's chain, the workers, and how often the first pair was sent.

    pauses: whether a holder may be stopped past its lease with the platform's answer in its hands.
    """

    row: Refresh
    chain: int
    alive: bool
    workers: tuple[Worker, ...]
    sends: int = 0
    at: datetime = AT
    pauses: bool = False


def moves(now: Search) -> Iterator[Search]:
    """Every next state."""
    for place, worker in enumerate(now.workers):
        for changed, then in step(now, f"w{place}", worker):
            workers = (*now.workers[:place], then, *now.workers[place + 1 :])
            yield replace(changed, workers=workers)
    # The lease outlives the exchange and the write behind it: when it runs out, only a paused holder has not ended.
    until = now.row.until
    busy = {"sent"} if now.pauses else {"sent", "answered"}
    if until is not None and now.at < until and not any(worker.step in busy for worker in now.workers):
        yield replace(now, at=until)


def step(now: Search, name: str, worker: Worker) -> Iterator[tuple[Search, Worker]]:
    if worker.step == "idle":
        taken = model.lease(now.row, name, now.at, LENGTH)
        yield (
            replace(now, row=taken.state),
            (Worker("leased", now.row.version) if isinstance(taken, Taken) else Worker("gone"))
            if not (isinstance(taken, Denied) and taken.why is Denial.HELD)
            else worker,
        )
    elif worker.step == "leased":
        sending = model.sending(now.row, name, now.at)
        if sending is None:
            yield now, Worker("gone")
        else:
            yield sent(replace(now, row=sending), worker)
        yield now, Worker("gone")  # killed before it wrote
    elif worker.step == "sent":
        yield now, replace(worker, step="answered")
        yield now, Worker("gone")  # killed before the answer was stored
    elif worker.step == "answered":
        yield stored(now, name, worker), Worker("gone")


def sent(now: Search, worker: Worker) -> tuple[Search, Worker]:
    """The platform takes each refresh token once; a second use ends the grant."""
    good = now.alive and now.chain == worker.version
    changed = replace(
        now, chain=now.chain + 1 if good else now.chain, alive=good, sends=now.sends + (worker.version == 1)
    )
    return changed, Worker("sent", worker.version, "pair" if good else "refused")


def stored(now: Search, name: str, worker: Worker) -> Search:
    if worker.answer == "pair":
        return replace(now, row=model.swapped(now.row, worker.version) or now.row)
    return replace(now, row=model.refused(now.row, name, worker.version, "invalid_grant") or now.row)


def reachable(workers: int, *, pauses: bool) -> set[Search]:
    start = Search(FRESH, 1, True, (Worker(),) * workers, pauses=pauses)
    seen, ahead = {start}, [start]
    while ahead:
        for state in moves(ahead.pop()):
            if state not in seen:
                seen.add(state)
                ahead.append(state)
    return seen


@pytest.mark.parametrize("workers", [2, 3])
def test_PR_06_in_every_order_of_events_a_dead_grant_is_known_or_marked_uncertain(workers: int) -> None:
    states = reachable(workers, pauses=False)
    assert len(states) > 50
    for state in states:
        assert state.sends <= 2, state
        if not state.alive and state.row.status is Status.CONNECTED:
            held = any(worker.step in {"sent", "answered"} for worker in state.workers)
            assert held or state.row.sending_since is not None, state
        if state.sends == 2:
            assert any(worker.step == "gone" for worker in state.workers), state


@pytest.mark.parametrize("workers", [2, 3])
def test_OA_15_a_holder_paused_past_its_lease_causes_no_storm(workers: int) -> None:
    assert all(state.sends <= 2 for state in reachable(workers, pauses=True))


def test_PR_06_without_a_crash_there_is_one_send() -> None:
    taken = model.lease(FRESH, "a", AT, LENGTH)
    assert isinstance(taken, Taken)
    assert not taken.uncertain
    sending = model.sending(taken.state, "a", AT)
    assert sending is not None
    other = model.lease(sending, "b", AT + LENGTH - timedelta(seconds=1), LENGTH)
    assert isinstance(other, Denied)
    assert other.why is Denial.HELD
    done = model.swapped(sending, 1)
    assert done == Refresh(2, Status.CONNECTED)


def test_OA_15_a_pair_whose_sender_vanished_is_tried_once_and_not_again() -> None:
    row = FRESH
    at = AT
    tries = []
    for name in ("a", "b", "c"):
        step_ = model.lease(row, name, at, LENGTH)
        tries.append(step_)
        if isinstance(step_, Denied):
            break
        row = model.sending(step_.state, name, at) or row
        at += LENGTH
    first, second, third = tries
    assert isinstance(first, Taken)
    assert isinstance(second, Taken)
    assert (first.uncertain, second.uncertain) == (False, True)
    assert isinstance(third, Denied)
    assert third.why is Denial.UNCERTAIN
    assert third.state.status is Status.ERROR
    assert "uncertain" in (third.state.reason or "")
    again = model.forgiven(third.state, at)
    assert isinstance(model.lease(again, "d", at, LENGTH), Taken)


def test_a_late_answer_is_worth_more_than_a_successors_refusal() -> None:
    taken = model.lease(FRESH, "a", AT, LENGTH)
    row = model.sending(taken.state, "a", AT)
    assert row is not None
    successor = model.lease(row, "b", AT + LENGTH, LENGTH)
    assert isinstance(successor, Taken)
    late = model.swapped(successor.state, 1)
    assert late is not None
    assert model.refused(late, "b", 1, "invalid_grant") is None
    assert late.status is Status.CONNECTED


def test_a_paused_holder_does_not_send_after_its_lease() -> None:
    taken = model.lease(FRESH, "a", AT, LENGTH)
    assert model.sending(taken.state, "a", AT + LENGTH) is None
    assert model.sending(taken.state, "b", AT) is None


def test_nobody_tries_before_a_postponement_ends() -> None:
    taken = model.lease(FRESH, "a", AT, LENGTH)
    waits = model.postponed(taken.state, "a", AT + timedelta(seconds=60))
    assert waits is not None
    assert waits.failures == 1
    denied = model.lease(waits, "b", AT + timedelta(seconds=59), LENGTH)
    assert isinstance(denied, Denied)
    assert denied.why is Denial.POSTPONED
    assert isinstance(model.lease(waits, "b", AT + timedelta(seconds=60), LENGTH), Taken)


@pytest.mark.parametrize("status", [Status.PENDING, Status.EXPIRED])
def test_nobody_refreshes_what_has_ended(status: Status) -> None:
    denied = model.lease(replace(FRESH, status=status), "a", AT, LENGTH)
    assert isinstance(denied, Denied)
    assert denied.why is Denial.ENDED


def test_new_credentials_end_whatever_was_under_way() -> None:
    taken = model.lease(FRESH, "a", AT, LENGTH)
    sending = model.sending(taken.state, "a", AT)
    assert sending is not None
    new = model.granted(replace(sending, status=Status.EXPIRED, reason="x"))
    assert new == Refresh(2, Status.CONNECTED)
    assert model.swapped(new, 1) is None
