"""What `app.py` needs to know of this room."""

from isthmus.feature import Cap, Feature
from isthmus.features.proxy import routes, service
from isthmus.features.proxy.errors import TooManyCalls
from isthmus.features.proxy.settings import Settings

FEATURE = Feature(
    name="proxy",
    routes=(routes.routes,),
    permissions=(routes.READ, routes.WRITE),
    caps=(
        Cap(
            name="proxy.at_once",
            counts="Calls through the proxy under way.",
            unit="calls",
            refusal=TooManyCalls.code,
            limit=lambda scope: scope.part(Settings).at_once,
            used_apart=service.calls_under_way,
            within="process",
        ),
    ),
    settings=Settings,
)
