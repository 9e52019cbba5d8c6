"""`python -m bench [name]`: run all benchmarks, or one; each prints a table and writes bench/results/<name>.json."""

import importlib
import sys
from pathlib import Path

NOT_BENCHMARKS = {"__init__", "__main__", "processes", "report"}


def names() -> list[str]:
    """The benchmarks of this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in NOT_BENCHMARKS)


def main(wanted: list[str]) -> int:
    """Run them one after the other; 2 when a name is unknown."""
    unknown = set(wanted) - set(names())
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(names())}\n")
        return 2
    for name in wanted or names():
        importlib.import_module(f"bench.{name}").run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
