"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.proxy import routes
from isthmus.features.proxy.settings import Settings

FEATURE = Feature(
    name="proxy",
    routes=(routes.routes,),
    permissions=(routes.READ, routes.WRITE),
    settings=Settings,
)
