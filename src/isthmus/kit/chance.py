"""The only place that draws lots for jitter and sampling; policies are given the draw."""

import random
from collections.abc import Callable

#: A number in [0, 1); not for secrets.
Draw = Callable[[], float]


def draw() -> float:
    """An even draw from [0, 1)."""
    return random.random()  # noqa: S311 - spreads load, guards nothing
