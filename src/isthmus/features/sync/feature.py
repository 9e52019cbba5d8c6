"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.sync import jobs, routes, service
from isthmus.features.sync.events import EMITS
from isthmus.features.sync.service import pruning, resuming
from isthmus.features.sync.service.caps import CAPS
from isthmus.features.sync.settings import Settings
from isthmus.features.sync.store import figures

_ROOM_SECONDS = 60.0

FEATURE = Feature(
    name="sync",
    objects={"run": "sync_runs"},
    routes=(routes.routes,),
    counts_deaths=frozenset({service.JOB}),
    bulk=frozenset({service.JOB, service.ABSENT}),
    jobs={
        service.JOB: jobs.run,
        service.REFRESH: jobs.read,
        service.ABSENT: jobs.compare,
        service.PRICES: jobs.reprice,
    },
    listens={
        "sync.connected": (("connection.connected",), jobs.connected),
        "sync.disconnected": (("connection.disconnected",), jobs.disconnected),
        "sync.withdrawn": (("integration.deactivated", "integration.types_forbidden"), jobs.withdrawn),
    },
    emits=EMITS,
    permissions=(routes.READ, routes.TRIGGER),
    reconcile=(service.missing,),
    periodic={
        "sync.stalled": (2.0, jobs.wake),
        "sync.prune": (3600.0, pruning.prune),
        "sync.room": (_ROOM_SECONDS, resuming.unhalt),
    },
    measures=(figures.measure,),
    caps=CAPS,
    settings=Settings,
)
