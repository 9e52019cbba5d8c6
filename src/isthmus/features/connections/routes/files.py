"""Integrations as YAML over HTTP."""

from typing import Annotated, Any, Literal

from pydantic import StringConstraints
from starlette.responses import Response

from isthmus.features.catalog import PlanRequired, ProviderNotFound
from isthmus.features.connections.errors import IntegrationNotFound, NameTaken, ScopeFixed
from isthmus.features.connections.routes.shapes import CONTROL, SEE
from isthmus.features.connections.service import files
from isthmus.http import Answer, Routes, ScopeDep, Wire, document

routes = Routes(prefix="/api/tenant/integrations", tag="Integrations")


class ImportIntegration(Wire):
    """An integration as YAML, as its export gives it; JSON is YAML too."""

    yaml: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    dry_run: bool = False


class FieldDifference(Answer, frozen=True, kw_only=True):
    """One field that differs."""

    path: str
    before: Any
    after: Any


class ImportedIntegration(Answer, frozen=True, kw_only=True):
    """What an import did, or would do, and every field that differs."""

    integration_id: str | None
    outcome: Literal["created", "changed", "unchanged"]
    dry_run: bool
    differences: list[FieldDifference]


@routes.get(
    "/{id}/export",
    permission=SEE,
    limit="integration",
    response_model=None,
    media_type="application/yaml",
    summary="An integration as YAML",
    errors=(IntegrationNotFound,),
)
async def export_integration(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the name of the path parameter
    """What people said of it; no credential is ever in it."""
    return Response(await files.export(scope, id), media_type="application/yaml")


@routes.post(
    "/import",
    permission=CONTROL,
    limit="integration",
    response_model=ImportedIntegration,
    summary="Make or change an integration from YAML",
    description="The integration of the file's name is made like it, or made. With `dryRun` only what would differ is "
    "said. Connections stay as they are.",
    errors=(ProviderNotFound, PlanRequired, NameTaken, ScopeFixed),
)
async def import_integration(scope: ScopeDep, body: ImportIntegration) -> Response:
    """Import one integration."""
    done = await files.import_one(scope, body.yaml, dry_run=body.dry_run)
    shown = [FieldDifference(path=one.path, before=one.before, after=one.after) for one in done.differences]
    outcome: Literal["created", "changed", "unchanged"] = done.outcome  # type: ignore[assignment]  # one of these three
    return document(
        ImportedIntegration(
            integration_id=done.integration_id, outcome=outcome, dry_run=body.dry_run, differences=shown
        )
    )
