"""What a handler does with a delivery: read anew, forward, or call a function of this process."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from isthmus.connect.spi import ReadsOne
from isthmus.features import catalog, pushes, sync
from isthmus.features.webhooks_in.events import LoopStopped, WebhookReceived
from isthmus.features.webhooks_in.model.expressions import ExpressionFailed
from isthmus.features.webhooks_in.model.handling import MOST_HOPS, RECEIVED, Rule, Subject, forwarded
from isthmus.features.webhooks_in.service.handlers import Handler, Told
from isthmus.features.webhooks_in.service.planning import Expressions
from isthmus.kit.errors import Problem
from isthmus.scope import Scope, Tx

_LOG = logging.getLogger("isthmus.features.webhooks_in")
_TEXT = 500
_RESULT_BYTES = 4_096
_NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went: done, ignored, again (does not count), or failed."""

    kind: str
    message: str | None = None
    run_id: str | None = None
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One delivery at one handler. `told` is the delivery's row, whole; `shard_type` what it is about, if known."""

    subject: Subject
    attempt: int
    told: Mapping[str, Any]
    shard_type: str | None = None


async def read(scope: Scope, jobs: Sequence[Job]) -> dict[str, Outcome]:
    """Have read anew what changed: the object itself, or all changes where it is not named or cannot be read alone.

    Many deliveries about one object are one reading; many about one shop's changes are one run.
    """
    alone: dict[tuple[str, str], list[Job]] = defaultdict(list)
    whole: dict[tuple[str, str], list[Job]] = defaultdict(list)
    for job in jobs:
        how = alone if await _reads_one(scope, job.subject) else whole
        how[job.subject.connection_id or "", job.subject.entity].append(job)
    outcomes: dict[str, Outcome] = {}
    for place, those in alone.items():
        outcomes |= await _refresh(scope, place, those)
    for place, those in whole.items():
        begun = await _run(scope, *place)
        outcomes |= {job.subject.id: begun for job in those}
    return outcomes


async def _reads_one(scope: Scope, subject: Subject) -> bool:
    connector = (await catalog.found(scope, subject.provider)).connector
    return bool(subject.object) and isinstance(connector, ReadsOne)


async def _refresh(scope: Scope, place: tuple[str, str], jobs: Sequence[Job]) -> dict[str, Outcome]:
    entity = place[1]
    try:
        await _ask(scope, place, _newest(jobs))
    except sync.NotReadable as problem:
        return {job.subject.id: Outcome("done", problem.message) for job in jobs}
    except Problem as problem:
        failed = Outcome("failed", f"{problem.code}: {problem.message}"[:_TEXT])
        return {job.subject.id: failed for job in jobs}
    told = {job.subject.id: {"readAnew": entity, "externalId": job.subject.object} for job in jobs}
    return {id_: Outcome("done", None, None, result) for id_, result in told.items()}


def _newest(jobs: Sequence[Job]) -> dict[str, datetime | None]:
    """By object: the newest time that was told of it."""
    found: dict[str, datetime | None] = {}
    for job in jobs:
        at, known = job.told["occurred_at"], found.get(job.subject.object)
        found[job.subject.object] = max(known, at) if known is not None and at is not None else known or at
    return found


async def _ask(scope: Scope, place: tuple[str, str], wanted: Mapping[str, datetime | None]) -> None:
    """Have them read; what is told of our own writes while many more are on their way is read behind these."""
    late, wait = await pushes.echoes(scope, *place, list(wanted))
    for several, after in ((wanted.keys() - late, _NOW), (late, wait)):
        if several:
            await sync.refresh_many(scope, *place, {name: wanted[name] for name in sorted(several)}, after)


async def _run(scope: Scope, connection_id: str, entity: str) -> Outcome:
    try:
        run = await sync.start(scope, connection_id, entity=entity, mode=sync.Mode.INCREMENTAL)
    except sync.RunInProgress:
        return Outcome("again", "Another run is under way; one begins after it.")
    except sync.NotReadable as problem:
        return Outcome("done", problem.message)
    except Problem as problem:
        return Outcome("failed", f"{problem.code}: {problem.message}"[:_TEXT])
    return Outcome("done", None, run.id)


async def typed(scope: Scope, jobs: Sequence[Job]) -> list[Job]:
    """The same with the type of record that each is about, by which what was published is hidden later."""
    found: dict[tuple[str, str], str | None] = {}
    for subject in (job.subject for job in jobs):
        place = subject.provider, subject.entity
        if place not in found:
            found[place] = await _shard_type(scope, *place)
    return [replace(job, shard_type=found[job.subject.provider, job.subject.entity]) for job in jobs]


async def _shard_type(scope: Scope, provider: str, entity: str) -> str | None:
    try:
        described = (await catalog.found(scope, provider)).manifest.entity(entity)
    except catalog.ProviderNotFound:
        return None
    return None if described is None else described.shard_type


def forward(tx: Tx, rule: Rule, source: Expressions | None, job: Job) -> Outcome:
    """Publish a delivery to the tenant's own endpoints, in the transaction that ends the attempt."""
    subject = job.subject
    if subject.hops >= MOST_HOPS:
        tx.emit(LoopStopped(subject=subject.id, body={"hops": subject.hops, "sourceId": subject.source_id}))
        return Outcome("ignored", f"It came through here {subject.hops} times: two forwarders send to each other.")
    try:
        body = forwarded(rule, source.transform if source else None, subject)
    except ExpressionFailed as failure:
        return Outcome("failed", str(failure)[:_TEXT])
    times = {name: job.told[name] for name in ("received_at", "occurred_at")}
    body |= {"replayed": job.told["replays"] > 0, "shardType": job.shard_type}
    body |= {"receivedAt": _iso(times["received_at"]), "occurredAt": _iso(times["occurred_at"])}
    tx.emit(WebhookReceived(subject=subject.id, body=body))
    return Outcome("done", None, None, {"published": RECEIVED})


def _iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def call(scope: Scope, handler: Handler, source: Expressions | None, job: Job) -> Outcome:
    """Call a function of this process; its mistakes are its own."""
    try:
        told = _told(job, source, handler)
        async with asyncio.timeout(handler.seconds):
            answer = await handler.function(scope, told)
    except Problem as problem:
        return Outcome("failed", f"{problem.code}: {problem.message}"[:_TEXT])
    except ExpressionFailed as failure:
        return Outcome("failed", str(failure)[:_TEXT])
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody ended this worker: what the function waited for was cancelled, and it let that through.
        return Outcome("failed", "The handler was cancelled by something that it waited for.")
    except TimeoutError:
        return Outcome("failed", f"The handler took longer than {handler.seconds:g} s.")
    except Exception as failure:  # noqa: BLE001 - a job runner: one handler's mistake must not stop the others
        _LOG.exception("the webhook handler %s failed", handler.name)
        return Outcome("failed", f"{type(failure).__name__} in the handler; the log has more.")
    return Outcome("done", None, None, _kept(answer))


def _kept(answer: object) -> Mapping[str, Any] | None:
    """A handler's answer as the log keeps it; what is no small JSON object is left out."""
    if not isinstance(answer, Mapping):
        return None
    try:
        encoded = msgspec.json.encode(answer)
    except (TypeError, ValueError):
        return {"note": "The answer is no JSON."}
    if len(encoded) > _RESULT_BYTES:
        return {"note": f"The answer is larger than {_RESULT_BYTES} bytes."}
    kept: dict[str, Any] = msgspec.json.decode(encoded)
    return kept


def _told(job: Job, source: Expressions | None, handler: Handler) -> Told:
    subject = job.subject
    rule = Rule(name=handler.name, action=handler.rule.action)
    return Told(
        id=subject.id,
        event=subject.event,
        provider=subject.provider,
        topic=subject.topic,
        connection_id=subject.connection_id,
        entity=subject.entity,
        object=subject.object,
        account=subject.account,
        received_at=job.told["received_at"],
        occurred_at=job.told["occurred_at"],
        attempt=job.attempt,
        replayed=job.told["replays"] > 0,
        payload=forwarded(rule, source.transform if source else None, subject)["payload"],
        headers=subject.headers,
        body=subject.body,
    )
