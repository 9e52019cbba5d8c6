"""People of other issuers: their roles are the issuer's to give and the tenant's to limit (pure)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from isthmus.kit.errors import Invalid
from isthmus.kit.etags import etag
from isthmus.kit.permissions import TENANT_ADMIN, USER

_LONGEST = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a tenant leaves of the roles that an issuer gives somebody."""

    id: str
    issuer: str
    subject: str
    roles: tuple[str, ...]
    set_by: str
    set_at: datetime

    @property
    def etag(self) -> str:
        """Stands for what is left of their roles."""
        return etag(self.id, self.roles)


def read_limit(roles: Collection[str]) -> tuple[str, ...]:
    """The roles that are left, in order and once each; none shuts the person out. Raises Invalid."""
    if set(roles) - {TENANT_ADMIN, USER}:
        raise Invalid.field("roles", f"Some of: {TENANT_ADMIN}, {USER}; none to leave nothing.")
    return tuple(sorted(set(roles)))


def left_of(roles: Collection[str], limit: Collection[str]) -> frozenset[str]:
    """What a limit leaves of somebody's roles; an admin may do all that a user may, and so can be left that."""
    held = {*roles, USER} if TENANT_ADMIN in roles else set(roles)
    return frozenset(held) & frozenset(limit)


def read_name(field: str, name: str) -> str:
    """An issuer or a subject as tokens name it. Raises Invalid."""
    if not 1 <= len(name) <= _LONGEST or not name.isprintable():
        raise Invalid.field(field, f"1 to {_LONGEST} characters, as the token has them.")
    return name
