"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.pushes import jobs
from isthmus.features.pushes.events import EMITS
from isthmus.features.pushes.routes import conflicts, pushes
from isthmus.features.pushes.service import waking
from isthmus.features.pushes.service.comparing import JOB as COMPARE
from isthmus.features.pushes.service.waking import CLOSE, missing
from isthmus.features.pushes.service.wanting import JOB
from isthmus.features.pushes.settings import Settings

FEATURE = Feature(
    name="pushes",
    routes=(pushes.products, pushes.listings, pushes.routes, conflicts.routes),
    counts_deaths=frozenset({JOB}),
    jobs={JOB: jobs.send, CLOSE: jobs.close, COMPARE: jobs.compare},
    listens={
        "pushes.connected": (("connection.connected",), jobs.connected),
        "pushes.configured": (("product_sync.configured",), jobs.configured),
        "pushes.disconnected": (("connection.disconnected",), jobs.disconnected),
        "pushes.integrations": (tuple(waking.OF_INTEGRATIONS), jobs.integration),
    },
    emits=EMITS,
    permissions=(pushes.READ, pushes.PUSH),
    reconcile=(missing,),
    periodic={
        "pushes.stalled": (5.0, jobs.wake),
        "pushes.sweep": (20.0, jobs.sweep),
        "pushes.prune": (3600.0, jobs.prune),
    },
    settings=Settings,
)
