"""The languages of our own pages, and which of them a browser reads best (pure)."""

import re
from typing import Literal, get_args

Language = Literal["en", "vi"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_RANGE = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,35})?\s*(?:;\s*[qQ]\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)
_RANGES_READ, _LONGEST = 20, 500


def preferred(header: str) -> Language:
    """The language that an `Accept-Language` header asks for most (RFC 9110 section 12.5.4), English where it is none.

    What cannot be read is passed over; of equal ones the first is taken.
    """
    asked: dict[str, float] = {}
    for part in header[:_LONGEST].split(",")[:_RANGES_READ]:
        found = _RANGE.fullmatch(part)
        if found is not None:
            name, weight = found[1].lower(), float(found[2] or 1)
            asked[name] = max(weight, asked.get(name, 0.0))
    rest = asked.pop("*", 0.0)
    places = list(asked)
    weights = {one: (asked.get(one, rest), -places.index(one) if one in asked else -_RANGES_READ) for one in LANGUAGES}
    best = max(LANGUAGES, key=lambda one: weights[one])
    return best if weights[best][0] > 0 else LANGUAGES[0]
