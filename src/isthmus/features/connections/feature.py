"""Connections, as the composition root sees them."""

from isthmus.feature import Feature
from isthmus.features.connections.events import EMITS
from isthmus.features.connections.jobs import sweep
from isthmus.features.connections.routes import MANAGE, READ, ROUTES
from isthmus.features.connections.service.sealing import reseal
from isthmus.features.connections.settings import Settings

_SWEEP_SECONDS = 60.0

FEATURE = Feature(
    name="connections",
    routes=ROUTES,
    emits=EMITS,
    permissions=[READ, MANAGE],
    periodic={"connections.sweep": (_SWEEP_SECONDS, sweep)},
    settings=Settings,
    reseals={"connections": reseal},
)
