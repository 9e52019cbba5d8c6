"""The catalog, as the composition root sees it."""

from isthmus.feature import Feature
from isthmus.features.catalog.events import (
    AppRegistered,
    ProviderChangeApproved,
    ProviderChanged,
    ProviderChangeProposed,
    ProviderChangeRejected,
    ProviderCreated,
    ProviderRemoved,
)
from isthmus.features.catalog.routes import MANAGE, READ, ROUTES
from isthmus.features.catalog.service.proposals import reseal as reseal_proposals
from isthmus.features.catalog.service.proposals import sweep
from isthmus.features.catalog.service.registrations import reseal
from isthmus.features.catalog.settings import Settings

FEATURE = Feature(
    name="catalog",
    objects={"reg": "registrations"},
    routes=ROUTES,
    emits=[
        AppRegistered,
        ProviderChanged,
        ProviderCreated,
        ProviderRemoved,
        ProviderChangeProposed,
        ProviderChangeApproved,
        ProviderChangeRejected,
    ],
    permissions=[READ, MANAGE],
    settings=Settings,
    periodic={"catalog.sweep": (3600.0, sweep)},
    reseals={"catalog.registrations": reseal, "catalog.proposals": reseal_proposals},
)
