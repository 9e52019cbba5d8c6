"""The few forms of Markdown that the reference pages are made of."""

from collections.abc import Iterable, Sequence

GENERATED = "<!-- Written by `python -m tools.reference` from the code; edit the code instead. -->"


def page(title: str, *blocks: str) -> str:
    """A page with its title, the mark of a generated file, and blocks of text with empty lines between."""
    return "\n\n".join([f"# {title}", GENERATED, *(block for block in blocks if block)]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty text where there are no rows."""
    lines = ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *lines])


def cell(text: str) -> str:
    """Text that stays inside its cell."""
    return " ".join(text.replace("|", "\\|").split())


def code(text: str) -> str:
    """A name as it stands in the code; empty text stays empty."""
    return f"`{text}`" if text else ""


def sentence(text: str) -> str:
    """One sentence with its full stop."""
    plain = " ".join(text.split())
    return plain if not plain or plain.endswith((".", "!", "?")) else plain + "."
