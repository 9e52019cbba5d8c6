"""Ids are opaque, sortable by creation and carry no count (security.md SC-01)."""

import subprocess
import sys
from itertools import pairwise

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


def test_SC_01_whoever_knows_a_thousand_ids_guesses_none_of_the_same_millisecond() -> None:
    """Eighty bits, each as likely one as none and apart from the one before it: one guess of 2 ** 80 hits an id."""
    clock = ManualClock()
    made = [ids.new("run", clock).rpartition("_")[2][-16:] for _ in range(2_000)]
    known, others = made[:1_000], set(made[1_000:])
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    ends = [sum(alphabet.index(letter) << 5 * place for place, letter in enumerate(reversed(end))) for end in known]
    written = {sum(alphabet.index(letter) << 5 * (15 - at) for at, letter in enumerate(end)) for end in others}
    assert all(end < 2**80 for end in ends)
    # 100,000 guesses: next to what is known, and as far behind it as it lies behind the one before
    guesses = {end + step for end in ends for step in range(-50, 50)}
    guesses |= {2 * later - one for one, later in pairwise(ends)}
    assert not guesses & written
    spread = 6 * (1_000 / 4) ** 0.5
    for bit in range(80):
        ones = sum(end >> bit & 1 for end in ends)
        turns = sum((end >> bit ^ end >> (bit + 1) % 80) & 1 for end in ends)
        follows = sum((one ^ later) >> bit & 1 for one, later in pairwise(ends))
        assert all(abs(count - 500) < spread for count in (ones, turns, follows)), bit


def test_SC_01_a_child_of_a_process_makes_no_id_of_its_parent() -> None:
    told = subprocess.run([sys.executable, "-c", _TWO], check=True, capture_output=True, text=True).stdout.split()
    tails = [one.rpartition("_")[2][-16:] for one in told]
    assert len(tails) == len(set(tails)) == 40


def test_another_prefix_or_shape_is_no_id() -> None:
    one = ids.new("con")
    assert not ids.is_id(one, "run")
    assert not ids.is_id(one[:-1], "con")
    assert not ids.is_id(one + "'", "con")


def test_ids_are_found_wherever_they_stand_and_nothing_like_them() -> None:
    one, other = ids.new("con"), ids.new("run")
    assert ids.found(f"orders {one}") == ids.found(f"{one}/mail") == [one]
    assert ids.found(f"{one} {other}") == [one, other]
    assert ids.found(f"a{one[:-1]} {one}x x_{one} {one.upper()}") == []
