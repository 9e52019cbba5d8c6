"""Issuers to sign in at that super admins add: what may be said of one (pure)."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from isthmus.kit.errors import Invalid
from isthmus.kit.etags import etag

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_]{0,38}[a-z0-9])?")
_LONGEST, _LONGEST_LABEL = 500, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptIssuer:
    """One of them as it is kept; its addresses are the issuer's own to say, so that nobody here can stand in for it."""

    name: str
    issuer: str
    label: str
    client_id: str
    sealed: bytes | None = field(repr=False)
    algorithms: tuple[str, ...]
    created_by: str
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """Stands for what can be changed of it, its secret too; sealing that anew is no change."""
        return etag(self.name, self.created_at, self.updated_at)


def read_name(name: str) -> str:
    """A name as it stands in addresses. Raises Invalid."""
    if not _NAME.fullmatch(name):
        raise Invalid.field("name", "1 to 40 of: a to z, 0 to 9, and underscores inside.")
    return name


def read_label(label: str | None, name: str) -> str:
    """What a button says; the name where nothing is said. Raises Invalid."""
    kept = (label or "").strip() or name
    if len(kept) > _LONGEST_LABEL or not kept.isprintable():
        raise Invalid.field("label", f"One line of at most {_LONGEST_LABEL} characters.")
    return kept


def read_client(client_id: str) -> str:
    """Our name at the issuer. Raises Invalid."""
    if not 1 <= len(client_id) <= _LONGEST or not client_id.isprintable():
        raise Invalid.field("clientId", f"1 to {_LONGEST} characters, as the issuer gave them.")
    return client_id
