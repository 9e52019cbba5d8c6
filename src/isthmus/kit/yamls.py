"""YAML from outside, read as plain data only: no tags, no aliases, no depth that would cost (security.md PA-01)."""

import yaml

_DEPTH = 32
#: The safe loader, in C where this install has it: the other one takes seconds for what a request may hold.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENING = (
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
)
_CLOSING = (yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken, yaml.BlockEndToken)


def read(given: str, limit: int) -> object:
    """The data of one document of at most `limit` characters. Raises ValueError saying what is wrong with it."""
    if len(given) > limit:
        raise ValueError(f"the file has more than {limit} characters")
    try:
        _look(given)
        loader = _LOADER(given)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("this is not YAML") from error


def _look(given: str) -> None:
    """Refuse what could make a small text large or slow, before anything is made of it."""
    depth = 0
    for token in yaml.scan(given, Loader=_LOADER):
        if isinstance(token, yaml.AliasToken | yaml.TagToken):
            raise ValueError("aliases and tags are not taken")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > _DEPTH:
            raise ValueError(f"the file is nested deeper than {_DEPTH} levels")
