"""Integrations as YAML: out with everything but credentials, in with a look at what would differ."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from isthmus.features import catalog
from isthmus.features.connections.model import integration as model
from isthmus.features.connections.model.integration import Facts, Integration
from isthmus.features.connections.service import integrations
from isthmus.features.connections.store import integrations as store
from isthmus.kit import ids, yamls
from isthmus.kit.errors import Invalid
from isthmus.scope import Scope

_LIMIT = 100_000


class Document(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """An integration's file: what people say of it, and no credential."""

    provider: str
    name: str
    description: str = ""
    icon: str | None = None
    settings: dict[str, str | int | float | bool | None] = {}
    allowed_shard_types: list[str] = []
    search_enabled: bool = True
    searchable_entities: list[str] = []
    user_scoped: bool = False
    allowed_roles: list[str] = []
    allowed_users: list[str] = []
    proxy_enabled: bool = False


@dataclass(frozen=True, slots=True)
class Members:
    """A part: which of these ids are people of a scope's tenant. It is none through a door, as with `catalog.Plans`."""

    known: Callable[[Scope, Collection[str]], Awaitable[set[str]]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs."""

    path: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do: `created`, `changed` or `unchanged`."""

    integration_id: str | None
    outcome: str
    differences: list[Difference]


async def export(scope: Scope, integration_id: str) -> str:
    """The integration as YAML; settings are no place for secrets, so none is in it. Raises IntegrationNotFound."""
    found = await integrations.integration(scope, integration_id)
    return yamls.written(_written(found))


async def import_one(  # house: silent - what it calls emits
    scope: Scope, given: str, *, dry_run: bool = False
) -> Imported:
    """Make the integration that the file describes, or make the one of its name like it; connections stay.

    What it makes has ids of this tenant. With `dry_run` nothing is written. Raises Invalid, ProviderNotFound,
    `catalog.PlanRequired`, and what creating or changing raises.
    """
    wanted = read_file(given)
    known = await catalog.provider(scope, wanted.provider)
    facts = model.check(_facts(wanted), known.settings_fields, known.entities, integrations.ROLE_NAMES)
    await _check_people(scope, facts)
    found = await _named(scope, facts.name)
    if found is None:
        await catalog.admit(scope, wanted.provider)
    elif found.provider != wanted.provider:
        raise Invalid.field("yaml.provider", f"The integration of this name uses {found.provider}.")
    before = {} if found is None else _written(found)
    after = _written(facts, wanted.provider)
    differences = [
        Difference(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if found is None:
        made = None if dry_run else await integrations.create(scope, wanted.provider, facts)
        return Imported(made.id if made else None, "created", differences)
    if differences and not dry_run:
        given_facts = {name: getattr(facts, name) for name in Facts.__slots__}
        await integrations.change(scope, found.id, given_facts)
    return Imported(found.id, "changed" if differences else "unchanged", differences)


async def _check_people(scope: Scope, facts: Facts) -> None:
    """A file of another tenant names its people: none of them is anybody here (TN-13). Raises Invalid."""
    named = [one for one in facts.allowed_users if ids.is_id(one, "usr")]
    strangers = set(named) - await scope.part(Members).known(scope, named) if named else set()
    if strangers:
        raise Invalid.field("yaml.allowedUsers", f"No members of this tenant: {', '.join(sorted(strangers))}.")


def read_file(given: str) -> Document:
    """A document of a YAML text, without aliases or tags. Raises Invalid."""
    try:
        found = yamls.read(given, _LIMIT)
        if not isinstance(found, dict):
            raise Invalid.field("yaml", "This is not an integration: a mapping by field is expected.")
        return msgspec.convert(found, Document)
    except msgspec.ValidationError as error:
        raise Invalid.field("yaml", f"This is not an integration: {error}.") from None
    except ValueError as error:
        raise Invalid.field("yaml", f"The file cannot be taken: {error}.") from None


def _facts(wanted: Document) -> Facts:
    return Facts(
        name=wanted.name,
        description=wanted.description,
        icon=wanted.icon,
        settings=wanted.settings,
        allowed_types=tuple(wanted.allowed_shard_types),
        search_enabled=wanted.search_enabled,
        searchable=tuple(wanted.searchable_entities),
        user_scoped=wanted.user_scoped,
        allowed_roles=tuple(wanted.allowed_roles),
        allowed_users=tuple(wanted.allowed_users),
        proxy_enabled=wanted.proxy_enabled,
    )


def _written(facts: Facts, provider: str = "") -> Mapping[str, Any]:
    shown = Document(
        provider=facts.provider if isinstance(facts, Integration) else provider,
        name=facts.name,
        description=facts.description,
        icon=facts.icon,
        settings=dict(facts.settings),
        allowed_shard_types=list(facts.allowed_types),
        search_enabled=facts.search_enabled,
        searchable_entities=list(facts.searchable),
        user_scoped=facts.user_scoped,
        allowed_roles=list(facts.allowed_roles),
        allowed_users=list(facts.allowed_users),
        proxy_enabled=facts.proxy_enabled,
    )
    made: dict[str, Any] = msgspec.to_builtins(shown)
    return made


async def _named(scope: Scope, name: str) -> Integration | None:
    async with scope.tx() as tx:
        return await store.named(tx, name)
