"""What `app.py` needs to know of this room."""

from isthmus.feature import Cap, Feature
from isthmus.features.schedules import jobs, routes, service
from isthmus.features.schedules.errors import TooManySchedules
from isthmus.features.schedules.events import EMITS
from isthmus.features.schedules.settings import Settings

FEATURE = Feature(
    name="schedules",
    objects={"sch": "schedules"},
    routes=(routes.routes,),
    jobs={service.JOB: jobs.start},
    listens={
        "schedules.connected": (("connection.connected",), jobs.connected),
        "schedules.disconnected": (("connection.disconnected",), jobs.disconnected),
    },
    emits=EMITS,
    permissions=(routes.READ, routes.MANAGE),
    reconcile=(service.missing,),
    periodic={"schedules.tick": (5.0, jobs.tick)},
    caps=(
        Cap(
            name="schedules.schedules",
            counts="Schedules of all connections together.",
            unit="schedules",
            refusal=TooManySchedules.code,
            limit=lambda scope: scope.part(Settings).schedules,
            used=service.used,
        ),
    ),
    settings=Settings,
)
