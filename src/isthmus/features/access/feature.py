"""Access, as the composition root sees it."""

from isthmus.feature import Feature
from isthmus.features.access.events import EMITS
from isthmus.features.access.routes import keys, tenants
from isthmus.features.access.settings import Settings

FEATURE = Feature(
    name="access",
    routes=[keys.routes, tenants.routes],
    emits=EMITS,
    permissions=[keys.MANAGE, tenants.MANAGE],
    settings=Settings,
)
