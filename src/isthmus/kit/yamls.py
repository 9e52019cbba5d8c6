"""YAML from outside, read as plain data only: no tags, no aliases, no depth that would cost, no guessed values.

What we write of plain data reads back as it was.

Security.md PA-01, PA-02 and PA-06. What a scalar means is decided by how it is written and as narrowly as in JSON:
`no`, `1.10`, `010` and `12:30:45` are texts, because nobody who wrote them meant false, 1.1, 8 and 45045.
"""

import re
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

_DEPTH = 32
#: Names, values and marks of a file: what a document has of them is read in tenths of a second.
_PARTS = 50_000
#: The safe loader and dumper, in C where this install has them: the others take seconds for what a request may hold.
if TYPE_CHECKING:
    _Safe = yaml.SafeLoader
    _Dumper = yaml.SafeDumper
else:
    _Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    _Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_OPENING = (
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
)
_CLOSING = (yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken, yaml.BlockEndToken)


class _Loader(_Safe):
    """Takes for something else than a text only what is written as the emitter writes it, and each name once."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # type: ignore[misc] # it is one

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for name, _ in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise ValueError("a name is a text")
            if name.value in seen:
                raise ValueError(f"the name {name.value[:100]!r} stands twice in one mapping")
            seen.add(name.value)
        return super().construct_mapping(node, deep=deep)

    def fraction(self, node: yaml.ScalarNode) -> float | str:
        """A number only if it would be written in these very letters: `1.10` is a version."""
        text = str(self.construct_scalar(node))
        shown = repr(float(text))
        return float(text) if text == (shown if "." in shown else shown.replace("e", ".0e")) else text


_RESOLVED = (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^-?(?:0|[1-9][0-9]{0,17})$", list("-0123456789")),
    ("float", r"^-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,20}(?:e[+-][0-9]{1,3})?$", list("-0123456789")),
)
for _kind, _form, _first in _RESOLVED:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_form), _first)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.fraction)


def read(given: str, limit: int) -> object:
    """The data of one document of at most `limit` characters. Raises ValueError saying what is wrong with it."""
    if len(given) > limit:
        raise ValueError(f"the file has more than {limit} characters")
    try:
        _look(given)
        loader = _Loader(given)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("this is not YAML") from error


def written(data: object) -> str:
    """Plain data as a document, names in their order."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def _look(given: str) -> None:
    """Refuse what could make a small text large or slow, before anything is made of it."""
    depth = 0
    for number, token in enumerate(yaml.scan(given, Loader=_Loader)):
        if number > _PARTS:
            raise ValueError(f"the file has more than {_PARTS} parts")
        if isinstance(token, yaml.AliasToken | yaml.TagToken):
            raise ValueError("aliases and tags are not taken")
        if isinstance(token, yaml.ScalarToken) and "\x00" in token.value:
            raise ValueError("texts must not hold the character U+0000")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > _DEPTH:
            raise ValueError(f"the file is nested deeper than {_DEPTH} levels")
