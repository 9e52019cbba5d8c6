"""The rules that decide where both sides changed a field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.connect.edits import EditField
from isthmus.engine.db import Tx as SystemTx
from isthmus.features import connections
from isthmus.features.pushes.errors import RulesChangedMeanwhile, WrongEdit
from isthmus.features.pushes.events import RulesSet
from isthmus.features.pushes.model.merging import DEFAULTS, Rule, fits
from isthmus.features.pushes.store import conflicts as store
from isthmus.kit.etags import etag
from isthmus.scope import Scope, Tx


@dataclass(frozen=True, slots=True)
class Rules:
    """The rule in force of each field; `own` are those that were set for this connection, or for all."""

    rules: Mapping[EditField, Rule]
    own: Mapping[EditField, Rule]

    @property
    def etag(self) -> str:
        """Stands for those that were set."""
        return etag(self.own)


async def in_force(tx: Tx, connection_id: str) -> Mapping[EditField, Rule]:
    """The rule of each field of a connection."""
    of_all, own = await store.rules(tx, connection_id)
    return {**DEFAULTS, **_read(of_all), **_read(own)}


def _read(stored: Mapping[str, str]) -> dict[EditField, Rule]:
    return {EditField(name): Rule(rule) for name, rule in stored.items()}


async def rules(scope: Scope, connection_id: str | None) -> Rules:
    """The rules of a connection, or of all connections that have none of their own. Raises ConnectionNotFound."""
    if connection_id is not None:
        await connections.connection(scope, connection_id)
    async with scope.tx() as tx:
        of_all, own = await store.rules(tx, connection_id or "")
        return Rules(await in_force(tx, connection_id or ""), _read(of_all if connection_id is None else own))


async def set_rules(scope: Scope, connection_id: str | None, given: Mapping[EditField, Rule]) -> Rules:
    """Replace them; a field that is not named follows the rule of all, or the usual one.

    Raises ConnectionNotFound, WrongEdit, RulesChangedMeanwhile.
    """
    if connection_id is not None:
        await connections.connection(scope, connection_id)
    for name, rule in given.items():
        if not fits(name, rule):
            raise WrongEdit.field(f"rules.{name}", f"{rule} compares amounts, and {name} is none.")
    async with scope.tx() as tx:
        await store.hold_rules(tx, connection_id or "", scope.tenant_id)
        before = await store.rules(tx, connection_id or "")
        after = {str(name): str(rule) for name, rule in given.items()}
        known = before[0] if connection_id is None else before[1]
        if known != after:
            scope.check_seen(etag(known), RulesChangedMeanwhile)
        await store.set_rules(tx, connection_id or "", after)
        subject = connection_id or scope.tenant_id
        tx.emit(RulesSet(subject=subject, body={"rules": after}, before={"rules": known}, after={"rules": after}))
    return await rules(scope, connection_id)


async def configured(tx: SystemTx, event: Mapping[str, Any]) -> None:  # house: silent - the configuration was told
    """Product sync was configured: the rule that it names decides over each field of its connection that it can."""
    named, connection_id = event["body"].get("conflictRule"), event["body"].get("connectionId")
    if named and connection_id:
        given = {str(field): named for field in EditField if fits(field, Rule(named))}
        await store.hold_rules(tx, connection_id, event["tenant_id"])
        await store.set_rules(tx, connection_id, given, event["tenant_id"])
