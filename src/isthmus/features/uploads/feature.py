"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.uploads import jobs
from isthmus.features.uploads.events import EMITS
from isthmus.features.uploads.routes import configs, export, files, mappings
from isthmus.features.uploads.routes.shapes import MANAGE, READ
from isthmus.features.uploads.service import configuring, managing
from isthmus.features.uploads.service.caps import CAPS
from isthmus.features.uploads.service.running import JOB
from isthmus.features.uploads.settings import Settings

FEATURE = Feature(
    name="uploads",
    objects={"upl": "uploads"},
    routes=(configs.routes, files.routes, mappings.routes, export.routes),
    jobs={JOB: jobs.run},
    counts_deaths=frozenset({JOB}),
    bulk=frozenset({JOB}),
    emits=EMITS,
    permissions=(READ, MANAGE),
    reconcile=(managing.missing,),
    periodic={
        "uploads.sweep": (600.0, jobs.sweep),
        "uploads.strays": (21_600.0, jobs.sweep_strays),
        "uploads.due": (10.0, jobs.run_due),
    },
    reseals={"uploads.secrets": configuring.reseal},
    caps=CAPS,
    settings=Settings,
)
