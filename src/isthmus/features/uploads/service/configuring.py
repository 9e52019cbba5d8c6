"""How a tenant's products are synced: from a connection, from files, or by signed events; and starting it by hand."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import msgspec
from croniter import CroniterBadDateError, croniter

from isthmus.engine.db import is_tenant_id
from isthmus.features import connections, sync, vault
from isthmus.features.uploads import store
from isthmus.features.uploads.errors import ConfigChangedMeanwhile, NotConfigured, SyncIdle, WrongMapping
from isthmus.features.uploads.events import ProductSyncConfigured
from isthmus.features.uploads.model.upload import Upload
from isthmus.features.uploads.service import formats, receiving
from isthmus.features.uploads.service.managing import replace_mapping
from isthmus.features.uploads.service.receiving import Wish
from isthmus.kit import webhooks
from isthmus.kit.errors import Invalid, Problem, Unauthenticated
from isthmus.kit.etags import etag
from isthmus.kit.secret import Secret
from isthmus.scope import Scope, System, Tx

_log = logging.getLogger(__name__)
_TENANTS: Final = 200
_OUTAGE: Final = 500
_OWNER: Final = "product_sync"
_FIELD: Final = "webhook_secret"
_EVENTS: Final = 1_000
#: The name under which a mapping is saved that the configuration writes out.
_OWN_MAPPING: Final = "product-sync"
_NOBODY: Final = "Nobody takes products here, or the signature does not fit."


class _Taken(Exception):
    """Another process has started what the schedule wants; ends the transaction that would start it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How products are synced; `mapping` is the named one, written out.

    `conflict_rule` is set for every field of the connection, and None leaves its rules as they are.
    """

    enabled: bool
    source: Literal["connection", "upload", "webhook"]
    connection_id: str | None = None
    schedule: str | None = None
    mapping_id: str | None = None
    mapping: Mapping[str, Any] | None = None
    mode: Literal["full", "incremental"] = "incremental"
    on_error: Literal["continue", "stop"] = "continue"
    conflict_rule: str | None = None
    next_at: datetime | None = None
    has_secret: bool = False
    version: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def etag(self) -> str:
        """Stands for the configuration with its secret; sealing that anew is no change, nor is the next time."""
        return etag(self.created_at, self.version)


async def config(scope: Scope) -> Config:
    """The configuration. Raises NotConfigured."""
    async with scope.tx() as tx:
        row = await store.config(tx)
    if row is None:
        raise NotConfigured
    return _config(row)


def _config(row: Mapping[str, Any]) -> Config:
    values = {name: value for name, value in row.items() if name != "webhook_secret"}
    values["conflict_rule"] = row["conflict_rule"] or None
    return Config(**values, has_secret=row["webhook_secret"] is not None)


async def configure(
    scope: Scope, wanted: Config, secret: Secret | None, *, replaces: bool
) -> tuple[Config, Secret | None]:
    """Set the configuration; for `webhook` a secret is made when none is given, and shown this once.

    `replaces` says that there must be one already. Raises NotConfigured, Invalid, ConfigChangedMeanwhile, and what
    `sync.offered` raises.
    """
    await _check(scope, wanted)
    made = None
    async with scope.tx() as tx:
        row = await store.config(tx, lock=True)
        if row is None and replaces:
            raise NotConfigured
        other = row is None or _is_other(_config(row), wanted, secret)
        if other:
            scope.check_seen(None if row is None else _config(row).etag, ConfigChangedMeanwhile)
        wanted = replace(wanted, mapping_id=await _mapping(scope, tx, wanted))
        sealed = row["webhook_secret"] if row is not None else None
        if secret is None and sealed is None and wanted.source == "webhook":
            secret = made = webhooks.new_secret()
        if secret is not None:
            sealed = await vault.seal(scope, tx, secret, owner=_OWNER, field=_FIELD)
        values = _columns(wanted) | {"webhook_secret": sealed, "next_at": _next(wanted.schedule, scope.now)}
        await store.save_config(tx, values, scope.now, other=other or made is not None)
        before = None if row is None else _told(_config(row))
        told = _told(wanted)
        tx.emit(ProductSyncConfigured(subject=scope.tenant_id, body=told, before=before, after=told))
    return await config(scope), made


def _is_other(before: Config, wanted: Config, secret: Secret | None) -> bool:
    """Whether something is to be other than it is; a secret always is, because nobody knows the stored one."""
    if secret is not None:
        return True
    if wanted.mapping is None:
        return _columns(wanted) != _columns(before)
    kept = replace(wanted, mapping_id=before.mapping_id)
    return wanted.mapping != before.mapping or _columns(kept) != _columns(before)


async def _mapping(scope: Scope, tx: Tx, wanted: Config) -> str | None:
    """The id of the wanted mapping; one that is written out is saved first. Raises WrongMapping."""
    if wanted.mapping is not None:
        if wanted.mapping_id is not None:
            raise WrongMapping.field("mapping", "Name a saved mapping or write one out, not both.")
        formats.read(wanted.mapping)
        return await replace_mapping(scope, tx, _OWN_MAPPING, wanted.mapping)
    if wanted.mapping_id is not None and await store.mapping(tx, wanted.mapping_id) is None:
        raise WrongMapping.field("mappingId", "There is no such mapping; list the saved ones.")
    return wanted.mapping_id


def _columns(wanted: Config) -> dict[str, Any]:
    names = ("enabled", "source", "connection_id", "schedule", "mapping_id", "mode", "on_error", "conflict_rule")
    return {name: getattr(wanted, name) for name in names} | {"conflict_rule": wanted.conflict_rule or ""}


def _told(wanted: Config) -> dict[str, Any]:
    return {
        "enabled": wanted.enabled,
        "source": wanted.source,
        "connectionId": wanted.connection_id,
        "schedule": wanted.schedule,
        "mappingId": wanted.mapping_id,
        "mode": wanted.mode,
        "onError": wanted.on_error,
        "conflictRule": wanted.conflict_rule,
    }


async def _check(scope: Scope, wanted: Config) -> None:
    if wanted.source == "connection":
        if wanted.connection_id is None:
            raise Invalid.field("connectionId", "Name the connection that products are read from.")
        await connections.connection(scope, wanted.connection_id)
        await sync.offered(scope, wanted.connection_id)
    if wanted.schedule is not None:
        _check_cron(wanted.schedule, scope.now)


def _check_cron(schedule: str, now: datetime) -> None:
    if len(schedule.split()) != 5 or not croniter.is_valid(schedule):
        raise Invalid.field("schedule", "Write five fields of cron, such as `0 */6 * * *`.")
    try:
        _next(schedule, now)
    except CroniterBadDateError:
        raise Invalid.field("schedule", "These fields name no day that ever comes.") from None


async def trigger(scope: Scope) -> sync.Run:
    """Read the configured connection now. Raises NotConfigured, SyncIdle, and what `sync.start` raises."""
    found = await config(scope)
    return await sync.start(scope, _shop(found), mode=sync.Mode(found.mode))


def _shop(found: Config) -> str:
    """The connection that is read. Raises SyncIdle where there is none, or nothing is to be read."""
    if not found.enabled or found.source != "connection" or found.connection_id is None:
        raise SyncIdle
    return found.connection_id


async def take_events(scope: Scope, headers: Mapping[str, str], body: bytes) -> Upload:
    """Signed `product.upserted` and `product.deleted` events, one or a list, through the row pipeline.

    The same delivery a second time changes nothing. Raises Unauthenticated, Invalid.
    """
    if not is_tenant_id(scope.tenant_id):
        raise Unauthenticated(_NOBODY)
    async with scope.tx() as tx:
        row = await store.config(tx)
        secret = await _secret(scope, tx, row)
    if row is None or secret is None or not row["enabled"]:
        raise Unauthenticated(_NOBODY)
    try:
        webhooks.verify(headers, body, [secret], scope.now)
    except webhooks.WebhookRefused as refusal:
        raise Unauthenticated(f"The signature does not fit: {refusal}.") from None
    wish = Wish(
        name=f"{headers.get('webhook-id', 'events')[:100]}.ndjson",
        format="isthmus-json",
        origin="webhook",
    )
    return await receiving.send(scope, wish, receiving.pieces(_lines(body)))


async def _secret(scope: Scope, tx: Tx, row: Mapping[str, Any] | None) -> Secret | None:
    if row is None or row["webhook_secret"] is None:
        return None
    return await vault.open(scope, tx, row["webhook_secret"], owner=_OWNER, field=_FIELD)


class _Told(msgspec.Struct):
    """One event as Standard Webhooks writes it; `data` is a product, or a list of them."""

    type: Literal["product.upserted", "product.deleted"]
    data: dict[str, Any] | list[dict[str, Any]]
    timestamp: str | None = None


def _lines(body: bytes) -> bytes:
    """The events as a file of one product a line. Raises Invalid."""
    try:
        told = msgspec.json.decode(body, type=_Told | list[_Told])
    except (msgspec.MsgspecError, RecursionError):
        raise Invalid("The body is no `product.upserted` or `product.deleted` event, nor a list of them.") from None
    lines = []
    for event in told if isinstance(told, list) else [told]:
        for product in event.data if isinstance(event.data, list) else [event.data]:
            gone = {"id": product.get("id"), "status": "deleted"}
            lines.append(msgspec.json.encode(gone if event.type == "product.deleted" else product))
    if not lines or len(lines) > _EVENTS:
        raise Invalid(f"Send between 1 and {_EVENTS} products in one delivery, not {len(lines)}.")
    return b"\n".join(lines)


async def reseal(
    scope: Scope, _after: str | None, _limit: int
) -> str | None:  # house: silent - the secret stays what it is
    """Seal the secret anew under the tenant's current data key (VA-09)."""
    async with scope.tx() as tx:
        row = await store.config(tx)
        if row is not None and row["webhook_secret"] is not None:
            sealed = await vault.reseal(scope, tx, row["webhook_secret"], owner=_OWNER, field=_FIELD)
            if sealed is not None:
                await store.reseal(tx, sealed, row["version"])
    return None


def _next(schedule: str | None, after: datetime) -> datetime | None:
    """The next time of a schedule in UTC, with seconds of the tenant's own choosing left to the platform."""
    return None if schedule is None else croniter(schedule, after).get_next(datetime)


async def run_due(system: System) -> None:
    """Start what schedules want now. What came due while nobody ran is started once, and the next time lies ahead."""
    async with system.tx() as tx:
        tenants = await store.due(tx, system.now, _TENANTS)
    for scope in system.scopes(tenants, "product_sync"):
        await _run_due(scope)


async def _run_due(scope: Scope) -> None:  # house: silent - the run that it starts speaks
    found = await config(scope)
    if found.next_at is None or found.next_at > scope.now:
        return
    move = partial(_moved, found.next_at, _next(found.schedule, scope.now))
    try:
        await sync.start_noted(scope, _shop(found), sync.PRODUCTS, sync.Mode(found.mode), move)
    except _Taken:
        return
    except Problem as failure:
        if _passes(failure, found.mode):
            return  # the next look tries again
        _log.warning(
            "a scheduled product sync did not start", extra={"tenant": scope.tenant_id, "problem": failure.code}
        )
        async with scope.tx() as tx:
            await store.move_on(tx, found.next_at, _next(found.schedule, scope.now))


def _passes(failure: Problem, mode: str) -> bool:
    """Whether a start may go well soon though nobody changes anything."""
    if isinstance(failure, sync.RunInProgress):
        return not failure.covers(mode)
    return failure.status >= _OUTAGE or failure.retry_after is not None


async def _moved(due: datetime, ahead: datetime | None, tx: Tx, _run: sync.Run) -> None:
    """The schedule moves on in the transaction that begins its run, so that a death loses neither."""
    if not await store.move_on(tx, due, ahead):
        raise _Taken
