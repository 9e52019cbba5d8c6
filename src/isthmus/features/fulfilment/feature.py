"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.fulfilment import jobs, routes, service, store
from isthmus.features.fulfilment.events import EMITS
from isthmus.features.fulfilment.service.caps import CAPS
from isthmus.features.fulfilment.settings import Settings

FEATURE = Feature(
    name="fulfilment",
    objects={"act": "order_actions"},
    routes=(routes.routes,),
    counts_deaths=frozenset({service.JOB}),
    jobs={service.JOB: jobs.act},
    listens={
        "fulfilment.connected": (("connection.connected",), jobs.connected),
        "fulfilment.disconnected": (("connection.disconnected",), jobs.disconnected),
    },
    emits=EMITS,
    permissions=(routes.ACT,),
    reconcile=(service.missing,),
    periodic={"fulfilment.stalled": (5.0, jobs.wake), "fulfilment.prune": (3600.0, service.prune)},
    measures=(store.figures,),
    caps=CAPS,
    settings=Settings,
)
