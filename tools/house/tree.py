"""The source tree, parsed once for all checks."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WAIVER = "# house: "


@dataclass(frozen=True)
class Source:
    """One Python file: its place in the house, its text and its syntax tree."""

    path: Path
    name: str

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    @property
    def room(self) -> str:
        """The first folder or file below `isthmus`, such as `kit` or `features`."""
        return self.name.split("/")[0].removesuffix(".py")

    def waived(self, line: int, rule: str) -> bool:
        """Whether the line carries `# house: <rule> - <reason>`."""
        _, mark, rest = self.lines[line - 1].partition(WAIVER)
        return bool(mark) and rest.startswith(f"{rule} - ")


@dataclass(frozen=True, order=True)
class Finding:
    """A broken rule at a place."""

    place: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.rule}: {self.message}"


def sources(root: Path = ROOT / "src" / "isthmus") -> Iterator[Source]:
    """Every Python file below `root`, with names relative to it."""
    for path in sorted(root.rglob("*.py")):
        yield Source(path, path.relative_to(root).as_posix())


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an expression made of names and attributes, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""
