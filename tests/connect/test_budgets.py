"""What a connector computes has an end, whatever it catches (security.md PL-04)."""

import signal
import threading
import time

import pytest

from isthmus.connect.budgets import Overrun, Within


def _stubborn() -> None:
    while True:
        try:
            sum(range(1_000))
        except Exception:  # noqa: S112, BLE001 - what a careless connector does
            continue


def test_PL_04_a_computation_without_an_end_is_ended() -> None:
    with pytest.raises(Overrun, match="0\\.05 s"), Within(0.05):
        _stubborn()


def test_PL_04_an_end_that_does_not_end_is_ended_too() -> None:
    def never() -> None:
        try:
            _stubborn()
        finally:
            _stubborn()

    with pytest.raises(Overrun), Within(0.02):
        never()


def test_the_timer_is_off_behind_its_block_and_other_failures_pass() -> None:
    before = signal.getsignal(signal.SIGPROF)
    with pytest.raises(KeyError), Within(0.02):
        raise KeyError
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGPROF) is before
    began = time.process_time()
    while time.process_time() - began < 0.05:
        pass


def test_other_threads_have_no_budget_and_no_harm() -> None:
    done: list[int] = []

    def work() -> None:
        with Within(0.01):
            done.append(sum(range(1_000_000)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(done) == 1
