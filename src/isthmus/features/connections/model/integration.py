"""A tenant's use of a provider: what is shown of it, who may use it, and which records may pass (pure)."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Protocol

from isthmus.connect.manifest import Entity, Field
from isthmus.kit import text
from isthmus.kit.errors import Invalid
from isthmus.kit.etags import etag
from isthmus.kit.permissions import TENANT_ADMIN, Principal

DISABLED = "disabled"
#: What document 002 shows of an integration.
State = Literal["pending", "connected", "error", "disabled"]
STATES = ("pending", "connected", "error", DISABLED)
#: Document 003's lifecycle; in between stands `testing`, while a test runs that somebody asked for.
_LIFECYCLE: Mapping[str, str] = {
    "pending": "configuring",
    "connected": "active",
    "error": "error",
    DISABLED: "inactive",
}
_TESTING = "testing"
NAME_LIMIT, TEXT_LIMIT, LIST_LIMIT = 200, 2_000, 100
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_PERSON = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What people say of an integration."""

    name: str
    description: str = ""
    icon: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: Types of records that may pass; empty for all.
    allowed_types: tuple[str, ...] = ()
    search_enabled: bool = True
    #: Entities that a search asks for; empty for all that can be searched.
    searchable: tuple[str, ...] = ()
    user_scoped: bool = False
    #: Who may use it, beside admins; both empty for everybody in the tenant.
    allowed_roles: tuple[str, ...] = ()
    allowed_users: tuple[str, ...] = ()
    proxy_enabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration(Facts):
    """One integration as it is stored, with how its connection is."""

    id: str
    provider: str
    category: str
    #: What its connection comes to: pending, connected or error.
    status: str
    enabled: bool
    enabled_at: datetime | None
    enabled_by: str | None
    last_sync_at: datetime | None
    created_at: datetime
    updated_at: datetime
    connection_id: str | None = None
    connection_status: str | None = None
    testing_until: datetime | None = None

    def is_testing(self, now: datetime) -> bool:
        """Whether a test runs that somebody asked for."""
        return self.testing_until is not None and now < self.testing_until

    @property
    def state(self) -> str:
        """What is shown."""
        return self.status if self.enabled else DISABLED

    @property
    def etag(self) -> str:
        """Stands for what people can change of it; how its connection fares is no change."""
        return etag(self.id, self.facts, self.enabled)

    @property
    def facts(self) -> dict[str, Any]:
        """What people said of it, by name."""
        return {name: getattr(self, name) for name in Facts.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One connection that a caller may use, and what may pass there."""

    integration_id: str
    name: str
    provider: str
    connection_id: str
    status: str
    allowed_types: tuple[str, ...]
    search_enabled: bool
    searchable: tuple[str, ...]
    user_scoped: bool

    def allows(self, shard_type: str) -> bool:
        """Whether records of this type may pass."""
        return allows(self.allowed_types, shard_type)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of integrations is narrowed to."""

    provider: str | None = None
    state: str | None = None
    search: str | None = None


def lifecycle(state: str, *, testing: bool = False) -> str:
    """The same in document 003's words; what is switched off is not being tested."""
    return _TESTING if testing and state != DISABLED else _LIFECYCLE[state]


def allows(allowed_types: Collection[str], shard_type: str) -> bool:
    """Whether records of this type may pass."""
    return not allowed_types or shard_type in allowed_types


def forbidden(facts: Facts, entities: Sequence[Entity]) -> tuple[str, ...]:
    """The types of records that the provider has and the integration may not read."""
    types = {entity.shard_type for entity in entities}
    return tuple(sorted(one for one in types if not allows(facts.allowed_types, one)))


class Limits(Protocol):
    """Who may use something: people with these roles, and these people; both empty for everybody."""

    @property
    def allowed_roles(self) -> Collection[str]: ...

    @property
    def allowed_users(self) -> Collection[str]: ...


def sees_all(who: Principal) -> bool:
    """Whether limits to people do not concern this caller: an admin, an API key, or the product's own work.

    Whoever reads a publishable key is nobody in particular.
    """
    return not who.is_publishable and (who.kind != _PERSON or TENANT_ADMIN in who.roles)


def usable_by(limits: Limits, who: Principal) -> bool:
    """Whether this caller may use it. Limits are for people; what keys may do is said by their permissions."""
    if not (limits.allowed_roles or limits.allowed_users) or sees_all(who):
        return True
    return who.subject in limits.allowed_users or not who.roles.isdisjoint(limits.allowed_roles)


def is_person(who: Principal) -> bool:
    """Whether connections of their own make sense for this caller."""
    return who.kind == _PERSON


def check(facts: Facts, fields: Sequence[Field], entities: Sequence[Entity], roles: Collection[str]) -> Facts:
    """The facts as they are kept. Raises Invalid naming every wrong field at once."""
    kept = replace(facts, name=_line(facts.name), description=text.shown(facts.description).strip())
    wrong = [*_texts(kept), *_words(kept, entities, roles), *setting_faults(fields, facts.settings)]
    if wrong:
        raise Invalid(details={"fields": [{"path": path, "message": message} for path, message in wrong]})
    return kept


def read_name(name: str) -> str:
    """A name as it is kept."""
    return _line(name)


def _line(given: str) -> str:
    return " ".join(text.terminal(text.shown(given)).split())


def _texts(facts: Facts) -> list[tuple[str, str]]:
    wrong: list[tuple[str, str]] = []
    if not 1 <= len(facts.name) <= NAME_LIMIT:
        wrong.append(("name", f"A name has between 1 and {NAME_LIMIT} characters."))
    if len(facts.description) > TEXT_LIMIT:
        wrong.append(("description", f"A description has at most {TEXT_LIMIT} characters."))
    if facts.icon is not None and not _WORD.fullmatch(facts.icon):
        wrong.append(("icon", "The name of an icon: letters, digits, and . _ : - between them."))
    return wrong


def _words(facts: Facts, entities: Sequence[Entity], roles: Collection[str]) -> list[tuple[str, str]]:
    types = {entity.shard_type for entity in entities}
    names = {entity.name for entity in entities}
    return [
        *_unknown("allowedShardTypes", facts.allowed_types, types, "The provider has no such type of record"),
        *_unknown("searchableEntities", facts.searchable, names, "The provider has no such entity"),
        *_unknown("allowedRoles", facts.allowed_roles, roles, "There is no such role"),
        *(
            (f"allowedUsers.{place}", "Not the id of a user.")
            for place, one in enumerate(facts.allowed_users)
            if not 1 <= len(one) <= NAME_LIMIT
        ),
    ]


def _unknown(path: str, given: Sequence[str], known: Collection[str], said: str) -> list[tuple[str, str]]:
    choice = ", ".join(sorted(known)) or "none"
    return [(f"{path}.{place}", f"{said}; there is: {choice}.") for place, one in enumerate(given) if one not in known]


def chosen(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as connectors read them: texts; what is empty was not chosen."""
    told = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.items()}
    return {name: text for name, text in told.items() if settings[name] is not None and text}


def setting_faults(fields: Sequence[Field], given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with settings, by the provider's own fields."""
    known = {one.name: one for one in fields}
    wrong = [(f"settings.{name}", "The provider has no such setting.") for name in given if name not in known]
    for name, one in known.items():
        value = given.get(name)
        if one.secret:
            if value is not None:
                wrong.append((f"settings.{name}", "Settings are shown to people; a secret belongs to the credentials."))
        elif value is None or value == "":
            if one.required:
                wrong.append((f"settings.{name}", "This setting is required."))
        elif not isinstance(value, str | int | float | bool) or len(str(value)) > TEXT_LIMIT:
            wrong.append((f"settings.{name}", f"A text, a number, or true or false; at most {TEXT_LIMIT} characters."))
        elif one.pattern and not re.fullmatch(one.pattern, str(value)):
            wrong.append((f"settings.{name}", f"It does not have the form of {one.label}."))
    return wrong
