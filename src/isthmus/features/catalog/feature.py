"""The catalog, as the composition root sees it."""

from isthmus.feature import Feature
from isthmus.features.catalog.events import AppRegistered, ProviderChanged, ProviderCreated, ProviderRemoved
from isthmus.features.catalog.routes import MANAGE, READ, ROUTES
from isthmus.features.catalog.service.registrations import reseal
from isthmus.features.catalog.settings import Settings

FEATURE = Feature(
    name="catalog",
    routes=ROUTES,
    emits=[AppRegistered, ProviderChanged, ProviderCreated, ProviderRemoved],
    permissions=[READ, MANAGE],
    settings=Settings,
    reseals={"catalog.registrations": reseal},
)
