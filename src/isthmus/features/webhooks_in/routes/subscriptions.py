"""What platforms were asked to push in the name of a tenant's shops and apps."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response

from isthmus.features.webhooks_in.routes.shapes import READ
from isthmus.features.webhooks_in.service import shops, subscribing
from isthmus.http import Answer, Routes, ScopeDep, document

routes: Routes = Routes(prefix="/api/webhooks", tag="Webhooks in")


class SubscriptionOut(Answer, frozen=True, kw_only=True):
    """What a platform was asked to push: for an app, or where it is asked shop by shop for a connection.

    `state` is `wanted`, `live` or `failed`, for its `reason`.
    """

    provider: str
    registration_id: str | None
    connection_id: str | None
    source_id: str | None
    topics: list[str]
    state: str
    reason: str | None
    checked_at: datetime | None
    repaired_at: datetime | None
    next_check_at: datetime | None
    reads_queue: bool
    pulled: int
    pulled_at: datetime | None


class SubscriptionList(Answer, frozen=True, kw_only=True):
    """All of them."""

    items: list[SubscriptionOut]


def subscription_out(row: Mapping[str, Any]) -> SubscriptionOut:
    """One as it is shown."""
    names = (
        "provider", "source_id", "topics", "state", "reason", "checked_at", "repaired_at", "pulled", "pulled_at",
    )  # fmt: skip
    shop = shops.is_shop(row["registration_id"])
    return SubscriptionOut(
        **{name: row[name] for name in names},
        registration_id=None if shop else row["registration_id"],
        connection_id=row["registration_id"] if shop else None,
        next_check_at=row["next_at"],
        reads_queue=row["queue"] is not None,
    )


@routes.get(
    "/subscriptions",
    permission=READ,
    limit="other",
    response_model=SubscriptionList,
    summary="What shops were asked to push",
)
async def list_shop_subscriptions(scope: ScopeDep) -> Response:
    """Compared with what the platforms say every day, and mended. Those of the deployment's apps are not among them."""
    return document(SubscriptionList(items=[subscription_out(row) for row in await subscribing.listed(scope)]))
