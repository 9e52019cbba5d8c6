"""`python -m tools.house`: the house checks, one line a finding; `ids` lists the requirements that no test names."""

import os
import re
import sys
from pathlib import Path

from tools.house import paths, rules
from tools.house.tree import ROOT, sources


def check() -> int:
    """Run every rule over the tree; 1 when something is broken."""
    found = [finding for source in sources() for finding in rules.broken(source)]
    found.extend(paths.findings(paths.tracked()))
    for finding in sorted(found):
        sys.stdout.write(f"{finding}\n")
    sys.stdout.write(f"house: {len(found)} broken rules\n" if found else "house: kept\n")
    return 1 if found else 0


def ids() -> int:
    """List each requirement of security.md and how many tests carry its id."""
    shared = Path(os.environ.get("ISTHMUS_SHARED", "../shared"))
    page = (ROOT / shared / "reference" / "security.md").resolve()
    wanted = re.findall(r"^\| ([A-Z]{2}-\d\d) \|", page.read_text("utf-8"), re.MULTILINE)
    text = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "tests").rglob("*.py")))
    named = re.findall(r"def (test_(?:[A-Z]{2}_\d\d_?)+)", text)
    carried = {row: sum(row.replace("-", "_") in name for name in named) for row in wanted}
    for row, count in carried.items():
        sys.stdout.write(f"{row} {count}\n")
    missing = sum(not count for count in carried.values())
    sys.stdout.write(f"{len(carried) - missing} of {len(carried)} requirements have a test that carries their id\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(ids() if sys.argv[1:] == ["ids"] else check())
