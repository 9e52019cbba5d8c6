"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.pushes import jobs
from isthmus.features.pushes.events import EMITS
from isthmus.features.pushes.routes import conflicts, pushes
from isthmus.features.pushes.service.waking import missing
from isthmus.features.pushes.service.wanting import JOB
from isthmus.features.pushes.settings import Settings

FEATURE = Feature(
    name="pushes",
    routes=(pushes.products, pushes.listings, pushes.routes, conflicts.routes),
    counts_deaths=frozenset({JOB}),
    jobs={JOB: jobs.send},
    listens={
        "pushes.connected": (("connection.connected",), jobs.connected),
        "pushes.disconnected": (("connection.disconnected",), jobs.disconnected),
    },
    emits=EMITS,
    permissions=(pushes.READ, pushes.PUSH),
    reconcile=(missing,),
    periodic={"pushes.stalled": (5.0, jobs.wake), "pushes.prune": (3600.0, jobs.prune)},
    settings=Settings,
)
