"""Pages of lists: bounds as document 002 gives them, and the place of a keyset cursor."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from isthmus.kit.errors import Invalid

DEFAULT_LIMIT = 50
MAX_LIMIT = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller asked for: at most `limit` rows after `after` (a keyset place) or from `offset`."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    after: str | None = None

    @classmethod
    def of(cls, limit: int, offset: int = 0) -> "Ask":
        """What a program asks for; its own mistakes are told as those of a request are. Raises Invalid."""
        if not 1 <= limit <= MAX_LIMIT:
            raise Invalid.field("limit", f"A whole number from 1 to {MAX_LIMIT} is needed.")
        if offset < 0:
            raise Invalid.field("offset", "A whole number that is not negative is needed.")
        return cls(limit, offset)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list; `next_after` is the keyset place behind the last row, None at the end."""

    items: list[T]
    next_after: str | None = None
    total: int | None = None
    has_more: bool = False
