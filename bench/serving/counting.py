"""Counts for nothing until its input ends, and steps back for all others as far as the system lets it.

`python -m bench.serving.counting`, started as the leader of a session: what it costs others is the machine's own share
of what any work beside them costs.
"""

import os
import sys
import threading

from isthmus.kit.priority import NICEST, step_back


def _count() -> None:
    number = 0
    while True:
        number += 1


if __name__ == "__main__":
    step_back(os.getpid(), NICEST)
    threading.Thread(target=_count, daemon=True).start()
    sys.stdin.read()
