"""`/api/tenant/usage`: what the tenant may have, and how much of it is used (security.md RL-05)."""

from collections.abc import Sequence

from starlette.responses import Response

from isthmus.feature import Period, Within
from isthmus.features.access.errors import TenantNotFound
from isthmus.features.access.routes.tenants import MANAGE
from isthmus.features.access.service.usage import CapUse, usage, usage_of
from isthmus.http import Answer, Routes, ScopeDep, document
from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, permission

READ = permission("usage:read", "See what the tenant may have, and how much is used.", SUPER_ADMIN, TENANT_ADMIN)

routes = Routes(prefix="/api/tenant/usage", tag="Tenants")
of_tenants = Routes(prefix="/api/admin/tenants", tag="Tenants")


class CapOut(Answer, frozen=True, kw_only=True):
    """One cap: what it counts, where the limit stands, and how much is used.

    `limit` and `share` are `null` where the deployment sets no limit. `within` says whether the limit is for all
    processes together or for each of them; then `used` is that of the fullest one. `refusal` is the code of the failure
    that what goes over the cap meets, and `setting` the deployment's setting that an operator raises.
    """

    name: str
    counts: str
    unit: str
    period: Period
    within: Within
    limit: int | None
    used: int
    share: float | None
    refusal: str
    setting: str


class TenantUsage(Answer, frozen=True, kw_only=True):
    """Every cap, by its name."""

    items: list[CapOut]


@routes.get("", permission=READ, limit="other", response_model=TenantUsage, summary="Caps and how much is used of them")
async def get_usage(scope: ScopeDep) -> Response:
    """Counts are of this moment; what processes count by themselves is at most a few seconds old."""
    return document(_out(await usage(scope)))


@of_tenants.get(
    "/{id}/usage",
    permission=MANAGE,
    limit="other",
    response_model=TenantUsage,
    summary="Caps of a tenant and how much is used of them",
    errors=(TenantNotFound,),
)
async def get_usage_of_tenant(scope: ScopeDep, id: str) -> Response:  # noqa: A002 - the parameter's name on the wire
    """Numbers alone: nothing of what the tenant has."""
    return document(_out(await usage_of(scope, id)))


def _out(several: Sequence[CapUse]) -> TenantUsage:
    return TenantUsage(
        items=[
            CapOut(
                name=one.cap.name,
                counts=one.cap.counts,
                unit=one.cap.unit,
                period=one.cap.period,
                within=one.cap.within,
                limit=one.limit,
                used=one.used,
                share=one.share,
                refusal=one.cap.refusal,
                setting=one.cap.setting,
            )
            for one in several
        ]
    )
