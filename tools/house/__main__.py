"""`python -m tools.house`: the house checks, one line a finding; `ids` lists the requirements that no test names."""

import sys

from tools.house import paths, requirements, rules
from tools.house.tree import sources


def check() -> int:
    """Run every rule over the tree; 1 when something is broken."""
    found = [finding for source in sources() for finding in rules.broken(source)]
    found.extend(paths.findings(paths.tracked()))
    for finding in sorted(found):
        sys.stdout.write(f"{finding}\n")
    sys.stdout.write(f"house: {len(found)} broken rules\n" if found else "house: kept\n")
    return 1 if found else 0


def ids() -> int:
    """List each requirement of security.md, how many tests carry its id, and why none does."""
    carried = requirements.carried()
    for row, count in carried.items():
        sys.stdout.write(f"{row} {count} {requirements.LATER.get(row, '')}".rstrip() + "\n")
    missing = sum(not count for count in carried.values())
    sys.stdout.write(f"{len(carried) - missing} of {len(carried)} requirements have a test that carries their id\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(ids() if sys.argv[1:] == ["ids"] else check())
