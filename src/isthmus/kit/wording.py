"""What is wrong with a field, in words for whoever sent it (security.md LO-02: never with what was sent)."""

from collections.abc import Mapping
from typing import Any

#: Texts of these kinds repeat what was sent (LO-02); they are said in our own words.
_ECHOING = {
    "union_tag_invalid": "This kind is not known.",
    "json_invalid": "This is not valid JSON.",
    "uuid_parsing": "This is not a UUID.",
    "url_parsing": "This is not a URL.",
    "datetime_parsing": "This is not an RFC 3339 time.",
    "timezone_aware": "Give the time with its zone, such as 2026-01-31T12:00:00Z.",
    "datetime_from_date_parsing": "This is not an RFC 3339 time.",
    "date_parsing": "This is not a date.",
    "date_from_datetime_parsing": "This is not a date.",
    "time_parsing": "This is not a time.",
    "time_delta_parsing": "This is not a duration.",
    "int_parsing": "A whole number is needed.",
    "int_type": "A whole number is needed.",
    "int_from_float": "A whole number is needed.",
    "float_parsing": "A number is needed.",
    "decimal_parsing": "A number is needed.",
    "decimal_type": "A number is needed.",
    "finite_number": "A number is needed.",
    "float_type": "A number is needed.",
    "bool_parsing": "true or false is needed.",
    "bool_type": "true or false is needed.",
    "string_type": "A text is needed.",
    "list_type": "A list is needed.",
    "tuple_type": "A list is needed.",
    "set_type": "A list is needed.",
    "dict_type": "An object is needed.",
    "mapping_type": "An object is needed.",
    "model_type": "An object is needed.",
    "model_attributes_type": "An object is needed.",
    "dataclass_type": "An object is needed.",
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field.",
}

#: Kinds of wrong lengths, with the name of the limit that they tell.
_LENGTHS = {
    "string_too_short": "min_length",
    "string_too_long": "max_length",
    "too_short": "min_length",
    "too_long": "max_length",
}
_WITH_ENTRIES = frozenset({"Dictionary", "List", "Set", "Frozenset", "Tuple"})

#: Kinds of values out of their bounds, with the name of the bound and the words before it.
_BOUNDS = {
    "greater_than": ("gt", "The value has to be greater than"),
    "greater_than_equal": ("ge", "The value has to be at least"),
    "less_than": ("lt", "The value has to be less than"),
    "less_than_equal": ("le", "The value may be at most"),
    "literal_error": ("expected", "The value has to be one of"),
    "enum": ("expected", "The value has to be one of"),
    "string_pattern_mismatch": ("pattern", "The text has to be of this form (a regular expression):"),
}


def said(error: Mapping[str, Any]) -> str:
    """What is wrong with one field, of an entry of `ValidationError.errors()`; never with what was sent in it."""
    kind, known = str(error.get("type", "")), error.get("ctx") or {}
    if kind in _ECHOING:
        return _ECHOING[kind]
    if kind in _LENGTHS and _LENGTHS[kind] in known:
        return _of_length(known, _LENGTHS[kind])
    if kind in _BOUNDS and _BOUNDS[kind][0] in known:
        limit, words = _BOUNDS[kind]
        return f"{words} {known[limit]}."
    return str(error.get("msg", "This is not valid.")).removeprefix("Value error, ")


def _of_length(known: Mapping[str, Any], limit: str) -> str:
    """Lists and objects have entries; texts have characters, secret ones too."""
    count, what = known[limit], "entries" if known.get("field_type") in _WITH_ENTRIES else "characters"
    if limit == "min_length":
        return "This may not be empty." if count == 1 else f"At least {count} {what} are needed."
    return f"At most {count} {what} are taken."
