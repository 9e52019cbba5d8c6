"""How often Python looks for cycles."""

import gc

from isthmus.kit.memory import collect_less_often


def test_the_collector_comes_less_often_and_is_not_switched_off() -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        collect_less_often()
        assert gc.isenabled()
        assert gc.get_threshold()[0] > 700
    finally:
        gc.set_threshold(*before)
