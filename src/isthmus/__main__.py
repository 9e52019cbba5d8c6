"""The `isthmus` command: every failure a person can meet ends in one clear line and an exit code."""

import sys

from rich.console import Console

from isthmus.cli import build
from isthmus.kit import text
from isthmus.kit.errors import Problem


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 refused with its reason, 2 wrong usage, 130 interrupted."""
    try:
        build()()
    except Problem as problem:
        _say(problem)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _say(problem: Problem) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"error ({problem.code}):", style="bold red", end=" ")
    console.print(text.terminal(problem.message), markup=False)
    for field in problem.details.get("fields", ()):
        console.print(f"  {text.terminal(str(field['path']))}: {text.terminal(str(field['message']))}", markup=False)


if __name__ == "__main__":
    main()
