"""The catalog, as the composition root sees it."""

from isthmus.feature import Feature
from isthmus.features.catalog.events import AppRegistered, ProviderChanged
from isthmus.features.catalog.routes import READ, routes
from isthmus.features.catalog.service.registrations import reseal

FEATURE = Feature(
    name="catalog",
    routes=[routes],
    emits=[AppRegistered, ProviderChanged],
    permissions=[READ],
    reseals={"catalog.registrations": reseal},
)
