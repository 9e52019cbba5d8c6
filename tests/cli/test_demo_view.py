"""What the demo says of a run while it goes on."""

import io

import pytest
from rich.console import Console

from isthmus.cli.demo_view import Progress


@pytest.mark.parametrize(
    ("entity", "listings", "pages", "said"),
    [
        ("products", 1, 1, "1 listing, 1 page"),
        ("products", 120, 2, "120 listings, 2 pages"),
        ("orders", 1, 0, "1 order, 0 pages"),
    ],
)
def test_one_is_one_and_several_are_several(entity: str, listings: int, pages: int, said: str) -> None:
    shown = io.StringIO()
    run = {
        "entity": entity,
        "listings": listings,
        "pages": pages,
        "waitingReason": None,
        "finishedAt": "2026-01-01T00:00:00Z",
        "total": listings,
    }
    with Progress(Console(file=shown, width=120, force_terminal=False)) as progress:
        progress.show("tiki", run)
    assert said in " ".join(shown.getvalue().split())
