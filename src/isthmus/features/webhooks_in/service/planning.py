"""Turns deliveries into tasks: one for each handler that wants them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isthmus.engine.db import Tx
from isthmus.features.webhooks_in.model.handling import (
    BUILT_IN,
    Action,
    OrderedBy,
    Planned,
    Rule,
    Subject,
    behind,
    matching,
    plan,
)
from isthmus.features.webhooks_in.store import handlers as keeping
from isthmus.features.webhooks_in.store import planning as store
from isthmus.features.webhooks_in.store import tasks
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope, System


@dataclass(frozen=True, slots=True)
class Expressions:
    """A source's own filter and transformation."""

    filter: str | None = None
    transform: str | None = None


async def rules(scope: Scope, tx: Tx) -> list[Rule]:
    """What is built in, what the tenant has set up, and the functions of its services."""
    return [*BUILT_IN.values(), *map(rule_of, await keeping.live(tx, scope.tenant_id))]


async def rules_of(tx: Tx, tenant_ids: Sequence[str]) -> dict[str, list[Rule]]:
    """The same for several tenants, by the tenant, in one statement; as the system."""
    found = await keeping.live_of(tx, tenant_ids)
    return {tenant_id: [*BUILT_IN.values(), *map(rule_of, rows)] for tenant_id, rows in found.items()}


def rule_of(row: Mapping[str, Any]) -> Rule:
    """A row of a tenant's handler, or of a function, as the planner sees it."""
    return Rule(
        name=row["id"],
        action=Action(row["action"]),
        pattern=row["pattern"],
        priority=row["priority"],
        source_id=row["source_id"],
        filter=row["filter"],
        transform=row["transform"],
        retries=None if row["retries"] is None else tuple(row["retries"]),
        ordered_by=None if row["ordered_by"] is None else OrderedBy(row["ordered_by"]),
        missed=row.get("missed_at") is not None,
    )


async def planned(
    tx: Tx, held_by: str, known: Sequence[Rule], subjects: Sequence[Subject], sources: Mapping[str, Expressions]
) -> dict[str, Planned]:
    """What the tenant of these rules wants done with each.

    held_by: whose rows they are, which is the source's tenant until they are routed. sources: the expressions of the
    sources that they came in at.
    """
    judged = [one.id for one in subjects if _needs_body(matching(known, one), sources.get(one.source_id))]
    whole = {row["id"]: row for row in await store.contents(tx, held_by, judged)} if judged else {}
    found: dict[str, Planned] = {}
    for one in subjects:
        content = whole.get(one.id)
        if content is not None:
            one = replace(one, **content)  # noqa: PLW2901 - the same delivery, read whole
        source = sources.get(one.source_id)
        found[one.id] = plan(known, source.filter if source else None, one)
    return found


def _needs_body(wanted: Sequence[Rule], source: Expressions | None) -> bool:
    filtered = source is not None and source.filter is not None
    return bool(wanted) and (filtered or any(rule.filter for rule in wanted))


async def again(
    scope: Scope,
    tx: Tx,
    rows: Sequence[Mapping[str, Any]],
    lent: Mapping[str, Expressions],
    *,
    replayed: bool = False,
) -> list[str]:
    """Plan deliveries of the scope's tenant anew, with the handlers of today; the keys of the workers to wake.

    lent: what the deployment's own sources say of what came in there. replayed: they go behind what comes in
    meanwhile, in their lanes too.
    """
    now = scope.now
    subjects = [Subject(**row) for row in rows]
    sources = {**lent, **await expressions(tx, scope.tenant_id, {one.source_id for one in subjects})}
    found = await planned(tx, scope.tenant_id, await rules(scope, tx), subjects, sources)
    every = [behind(task) if replayed else task for one in found.values() for task in one.tasks]
    if every:
        await tasks.add(tx, [(scope.tenant_id, task) for task in every], now)
    await store.replan(tx, scope.tenant_id, {id_: (one.state, one.reason) for id_, one in found.items()}, now)
    return sorted({task.key for task in every})


async def expressions(tx: Tx, tenant_id: str, source_ids: set[str]) -> dict[str, Expressions]:
    """The filters and transformations of these sources."""
    rows = await store.expressions(tx, tenant_id, sorted(source_ids))
    return {row["id"]: Expressions(row["filter"], row["transform"]) for row in rows}


async def lent(scope: Scope) -> dict[str, Expressions]:
    """The filters and transformations of the deployment's own sources, through which news of every tenant come in."""
    async with System(scope.engine, scope.clock).tx() as tx:
        rows = await store.expressions(tx, PLATFORM_TENANT, None)
    return {row["id"]: Expressions(row["filter"], row["transform"]) for row in rows}
