"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.webhooks_in import jobs
from isthmus.features.webhooks_in.events import EMITS
from isthmus.features.webhooks_in.routes import MANAGE, OPERATE, READ, ROUTES
from isthmus.features.webhooks_in.service import intake, managing, replaying, routing, subscribing
from isthmus.features.webhooks_in.settings import Settings

FEATURE = Feature(
    name="webhooks_in",
    routes=ROUTES,
    fronts={intake.PREFIX: intake.front},
    jobs={
        intake.ROUTE: jobs.route,
        routing.HANDLE: jobs.handle,
        replaying.REPLAY: jobs.replay,
        subscribing.ENROL: jobs.enrol,
        subscribing.COMPARE: jobs.compare,
        subscribing.PULL: jobs.pull,
    },
    bulk=frozenset({replaying.REPLAY}),
    listens={
        "webhooks_in.connected": (("connection.connected",), jobs.connected),
        "webhooks_in.disconnected": (("connection.disconnected",), jobs.disconnected),
        "webhooks_in.redacted": (("orders.redacted",), jobs.redacted),
        "webhooks_in.forbidden": (("integration.types_forbidden",), jobs.forbidden),
        "webhooks_in.tenants": (("tenant.status_changed",), jobs.tenant_changed),
    },
    emits=EMITS,
    permissions=(READ, MANAGE, OPERATE),
    reconcile=(jobs.missing,),
    periodic={"webhooks_in.sweep": (600.0, jobs.sweep)},
    runs={"webhooks_in.ask": subscribing.keep_asking},
    reseals={"webhooks_in.secrets": managing.reseal, "webhooks_in.addresses": subscribing.reseal},
    settings=Settings,
)
