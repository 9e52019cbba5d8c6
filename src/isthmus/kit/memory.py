"""How often Python looks for cycles of objects that hold one another."""

import gc
from typing import Final

#: Objects that are made between two looks at the young ones, and looks of one age between two at the next.
_YOUNG: Final = 20_000
_ROUNDS: Final = 20


def collect_less_often() -> None:
    """Let the collector come when there is something to find; for processes that handle records by the page.

    A page's records live until they are written. By Python's own measure the collector would walk them dozens of times
    meanwhile and find nothing: a fifth of the time that a file's rows take.
    """
    gc.set_threshold(_YOUNG, _ROUNDS, _ROUNDS)
