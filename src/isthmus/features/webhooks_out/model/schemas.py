"""JSON schemas of a tenant's own event types: what may be registered, and whether data keeps to one."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import jsonschema
import msgspec

from isthmus.features.webhooks_out.errors import WrongEvent, WrongSchema
from isthmus.features.webhooks_out.model.trying import TooMuch, tried

_LONGEST: Final = 32 * 1024
#: Schemas within schemas, references followed; more would let one small event cost much.
_MOST: Final = 2_000
_DEEPEST: Final = 32
_LOCAL: Final = re.compile(r"#/\$defs/[A-Za-z0-9_.-]{1,100}", re.ASCII)
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
#: What would run a stranger's regular expression here, reach beyond the schema itself, or have another draft's words.
_REFUSED: Final = ("pattern", "patternProperties", "$dynamicRef", "$recursiveRef", "$id", "$anchor", "$dynamicAnchor")
_REFUSED_TOO: Final = ("dependencies",)
_ONE: Final = ("not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames")
_ONE_MORE: Final = ("unevaluatedItems", "unevaluatedProperties")
_SEVERAL: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("properties", "dependentSchemas")
_UNUSED: Final = ("$defs", "definitions")
_KINDS: Final = 7
_MOST_FAILURES: Final = 10


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise WrongSchema for what is no JSON schema (2020-12), or one that is too large or asks too much."""
    if len(msgspec.json.encode(schema)) > _LONGEST:
        raise WrongSchema(f"The schema is longer than {_LONGEST} bytes.")
    _check_words(schema, 0)
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise WrongSchema(f"This is no JSON schema: {error.message[:200]}") from None
    except RecursionError:
        raise WrongSchema("The schema is nested too deeply.") from None
    if next(islice(_within(schema, schema, 0), _MOST, None), False) is None:
        raise WrongSchema(f"The schema holds more than {_MOST} schemas, references followed.")


def _check_words(schema: object, depth: int) -> None:
    """Look at every schema in the text, before anything is known of its shape and before anything tries it."""
    if not isinstance(schema, Mapping):
        return
    if depth > _DEEPEST:
        raise WrongSchema("The schema is nested too deeply, or refers to itself.")
    for word in (*_REFUSED, *_REFUSED_TOO):
        if word in schema:
            raise WrongSchema(f"`{word}` cannot be used here.")
    if schema.get("$schema", _DRAFT) != _DRAFT or ("$schema" in schema and depth):
        raise WrongSchema(f"`$schema` may only stand at the top, and only name {_DRAFT}.")
    kinds = schema.get("type")
    if isinstance(kinds, list) and len(kinds) > _KINDS:
        raise WrongSchema("This is no JSON schema: `type` names more than there are.")
    for inner in (*_parts(schema), *_named(schema, _UNUSED), schema.get("contentSchema")):
        _check_words(inner, depth + 1)


def _within(schema: object, root: Mapping[str, Any], depth: int) -> Iterator[None]:
    """Each schema that is tried, as often as it is: references are followed, so that what grows by them is seen."""
    yield None
    if not isinstance(schema, Mapping):
        return
    if depth > _DEEPEST:
        raise WrongSchema("The schema is nested too deeply, or refers to itself.")
    for inner in (*_referred(schema, root), *_parts(schema)):
        yield from _within(inner, root, depth + 1)


def _referred(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[object]:
    reference = schema.get("$ref")
    if reference is not None:
        if not _LOCAL.fullmatch(reference):
            raise WrongSchema("`$ref` may only name something in the schema's own `$defs`.")
        yield root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), True)


def _parts(schema: Mapping[str, Any]) -> Iterator[object]:
    for word in (*_ONE, *_ONE_MORE):
        if word in schema:
            yield schema[word]
    for word in _SEVERAL:
        several = schema.get(word)
        yield from several if isinstance(several, list | tuple) else ()
    yield from _named(schema, _NAMED)


def _named(schema: Mapping[str, Any], words: tuple[str, ...]) -> Iterator[object]:
    for word in words:
        named = schema.get(word)
        yield from named.values() if isinstance(named, Mapping) else ()


def check_data(schema: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Raise WrongEvent, naming the places, unless the data keeps to the schema.

    Raises WrongSchema for a schema that was registered when more was allowed.
    """
    if not schema:
        return
    wanted = _allowed(msgspec.json.encode(schema, order="deterministic"))
    fields = []
    try:
        for error in tried(wanted, dict(data), _MOST_FAILURES):
            place = ".".join(["data", *(str(one) for one in error.absolute_path)])
            fields.append({"path": place, "message": _said(error)})
    except RecursionError:
        raise WrongEvent("The data is nested too deeply.") from None
    except TooMuch:
        raise WrongEvent("The data is too large to be held against the schema of its type.") from None
    if fields:
        raise WrongEvent(details={"fields": fields})


def _said(error: jsonschema.ValidationError) -> str:
    """What was wanted; the value itself is not repeated, because it may be long or private."""
    if error.validator == "required":
        return str(error.message)[:200]
    wanted = msgspec.json.encode(error.validator_value).decode()[:150]
    return f"It does not keep to `{error.validator}`: {wanted}"


@lru_cache(maxsize=256)
def _allowed(schema: bytes) -> Mapping[str, Any]:
    found: Mapping[str, Any] = msgspec.json.decode(schema)
    _check_words(found, 0)
    return found
