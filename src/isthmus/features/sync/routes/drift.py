"""What full reads proved of the reads before them, over HTTP."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from isthmus.features.sync import service
from isthmus.features.sync.model import Run
from isthmus.features.sync.routes.runs import READ, routes
from isthmus.http import Answer, ScopeDep, document


class DriftOut(Answer, frozen=True, kw_only=True):
    """What the newest full read found that changes alone had not told, and repaired; all zeros: nothing was missed.

    Only what the platform last changed before `judgedBefore` counts: what is younger is news. `missing` is what a
    person alone decided is gone; what the platform says was deleted is no drift.
    """

    connection_id: str
    entity: str
    run_id: str
    judged_before: datetime
    checked_at: datetime
    records: int
    created: int
    updated: int
    missing: int


class DriftList(Answer, frozen=True, kw_only=True):
    """The connections that a full read has proved."""

    items: list[DriftOut]


@routes.get("/drift", permission=READ, limit="other", response_model=DriftList, summary="What was missed and repaired")
async def get_drift(
    scope: ScopeDep, connection_id: Annotated[str | None, Query(alias="connectionId", max_length=64)] = None
) -> Response:
    """One row for each connection and entity; full reads come once a day unless their schedule says otherwise."""
    return document(DriftList(items=[_shown(run) for run in await service.proofs(scope, connection_id)]))


def _shown(run: Run) -> DriftOut:
    return DriftOut(
        connection_id=run.connection_id,
        entity=run.entity,
        run_id=run.id,
        judged_before=run.judged_before or run.until,
        checked_at=run.finished_at or run.changed_at,
        records=run.records,
        created=run.drift_created,
        updated=run.drift_updated,
        missing=run.drift_missing,
    )
