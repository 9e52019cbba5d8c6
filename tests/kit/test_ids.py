"""Ids are opaque, sortable by creation and carry no count (security.md SC-01)."""

import subprocess
import sys

from isthmus.kit import ids
from isthmus.kit.clock import ManualClock

_TWO = """
import os
from isthmus.kit import ids
ids.new("con")
if os.fork():
    os.wait()
print(*[ids.new("con") for _ in range(20)], flush=True)
"""


def test_ids_sort_by_the_time_they_were_made() -> None:
    clock = ManualClock()
    made = []
    for _ in range(200):
        made.append(ids.new("con", clock))
        clock.advance(0.001)
    assert made == sorted(made)
    assert all(ids.is_id(one, "con") for one in made)


def test_SC_01_ids_of_one_millisecond_have_no_order_and_do_not_repeat() -> None:
    clock = ManualClock()
    made = [ids.new("run", clock) for _ in range(1000)]
    assert len(set(made)) == 1000
    assert made != sorted(made)
    assert len({one[:14] for one in made}) == 1


def test_SC_01_a_child_of_a_process_makes_no_id_of_its_parent() -> None:
    told = subprocess.run([sys.executable, "-c", _TWO], check=True, capture_output=True, text=True).stdout.split()
    tails = [one.rpartition("_")[2][-16:] for one in told]
    assert len(tails) == len(set(tails)) == 40


def test_another_prefix_or_shape_is_no_id() -> None:
    one = ids.new("con")
    assert not ids.is_id(one, "run")
    assert not ids.is_id(one[:-1], "con")
    assert not ids.is_id(one + "'", "con")
