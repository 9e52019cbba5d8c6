"""Premium providers, and the plans that include them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from isthmus.features.catalog.errors import PlanRequired
from isthmus.features.catalog.model import plans as model
from isthmus.features.catalog.model.providers import Provider
from isthmus.features.catalog.service.providers import known_provider, opened_provider
from isthmus.features.catalog.settings import Settings
from isthmus.kit.permissions import PLATFORM_TENANT
from isthmus.scope import Scope


@dataclass(frozen=True, slots=True)
class Plans:
    """A part: how to ask for the plan of a scope's tenant.

    It is a part and no look through a door, so that a worker that reads a shop need not load all that signs people in.
    """

    ask: Callable[[Scope], Awaitable[str | None]]


async def plan_of(scope: Scope) -> str | None:
    """The plan of the scope's tenant; None where it has none."""
    plans = scope.engine.parts.get(Plans)
    return await plans.ask(scope) if isinstance(plans, Plans) else None


def included(scope: Scope, shown: Provider, plan: str | None) -> bool:
    """Whether this plan includes the provider."""
    settings = scope.engine.parts.get(Settings)
    known = settings.plans if isinstance(settings, Settings) else Settings().plans
    return not shown.premium or model.includes(known, plan, shown.required_plan)


async def admit(scope: Scope, slug: str) -> None:
    """Whether the tenant may begin to use the provider; the deployment itself needs no plan and may use hidden ones.

    One that is deprecated can still be connected where a tenant uses it. Raises PlanRequired, and ProviderNotFound for
    one that was taken out of the catalog, is disabled, or is the deployment's own.
    """
    await _check(scope, await opened_provider(scope, slug))


async def admit_further(scope: Scope, slug: str) -> None:
    """The same for what uses the provider already, also where it was taken out of the catalog since.

    What was connected and read stays when a plan ends; nothing goes to the far side until it includes the provider
    again. Raises PlanRequired.
    """
    await _check(scope, await known_provider(scope, slug))


async def _check(scope: Scope, shown: Provider) -> None:
    if not shown.premium or scope.tenant_id == PLATFORM_TENANT:
        return
    if not included(scope, shown, await plan_of(scope)):
        raise PlanRequired(details={"provider": shown.id, "requiredPlan": shown.required_plan})
