"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.widgets import jobs, routes
from isthmus.features.widgets.model import KINDS
from isthmus.features.widgets.settings import Settings

_SWEEP_SECONDS = 3_600.0

FEATURE = Feature(
    name="widgets",
    routes=(routes.routes,),
    permissions=(routes.READ,),
    listens={"widgets.activity": (tuple(KINDS), jobs.happened)},
    periodic={"widgets.sweep": (_SWEEP_SECONDS, jobs.sweep)},
    settings=Settings,
)
