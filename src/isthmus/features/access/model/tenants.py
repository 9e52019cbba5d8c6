"""What a tenant is, and how its name and slug are read (pure)."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from isthmus.kit import text
from isthmus.kit.errors import Invalid
from isthmus.kit.etags import etag

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_GAPS = re.compile(r"[^a-z0-9]+")
_PLAN = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
_NAME_LIMIT = 200
_SLUG_LIMIT = 63
#: Letters that decomposition does not turn into a Latin one.
_LETTERS = str.maketrans({"đ": "d", "ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "œ": "oe"})


class TenantStatus(StrEnum):
    """Whether a tenant's people and keys are let in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    #: For good: the tenant and all that it has are gone when the erasure is done.
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A merchant's own, walled part of the house."""

    id: str
    name: str
    slug: str
    status: TenantStatus
    created_at: datetime
    #: What the deployment sells it, such as `pro`; providers may ask for one.
    plan: str | None = None

    @property
    def etag(self) -> str:
        """Stands for what an operator can change of it."""
        return etag(self.id, self.name, self.plan, self.status)


def read_name(name: str) -> str:
    """The name as it is kept. Raises Invalid when it is empty or too long."""
    kept = text.terminal(text.shown(name)).strip()
    if not kept or len(kept) > _NAME_LIMIT:
        raise Invalid.field("name", f"A name has between 1 and {_NAME_LIMIT} characters.")
    return kept


def read_slug(slug: str | None, name: str) -> str:
    """The slug that was given, else one made of the name. Raises Invalid when it has not the shape of one."""
    kept = _slug_of(name) if slug is None else slug
    if not _SLUG.fullmatch(kept):
        raise Invalid.field("slug", "A slug is made of a-z, 0-9 and inner hyphens, at most 63 characters.")
    return kept


def read_plan(plan: str | None) -> str | None:
    """The plan as it is kept. Raises Invalid when it has not the shape of a plan's name."""
    if plan is not None and not _PLAN.fullmatch(plan):
        raise Invalid.field(
            "plan", "A plan is made of a-z, 0-9 and inner hyphens or underscores, at most 40 characters."
        )
    return plan


def _slug_of(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _GAPS.sub("-", kept).strip("-")[:_SLUG_LIMIT].strip("-")
