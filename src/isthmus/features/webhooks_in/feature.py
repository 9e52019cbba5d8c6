"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.webhooks_in import jobs
from isthmus.features.webhooks_in.events import EMITS
from isthmus.features.webhooks_in.routes import MANAGE, OPERATE, READ, ROUTES
from isthmus.features.webhooks_in.service import intake, managing, offering, replaying, subscribing, waking
from isthmus.features.webhooks_in.service.caps import CAPS
from isthmus.features.webhooks_in.settings import Settings

_OFFER = "webhooks_in.offer"

FEATURE = Feature(
    name="webhooks_in",
    objects={"src": "webhook_sources", "rpl": "webhook_replays"},
    routes=ROUTES,
    fronts={intake.PREFIX: intake.front},
    jobs={
        intake.ROUTE: jobs.route,
        waking.HANDLE: jobs.handle,
        waking.CALL: jobs.handle,
        replaying.REPLAY: jobs.replay,
        subscribing.ENROL: jobs.enrol,
        subscribing.COMPARE: jobs.compare,
        subscribing.PULL: jobs.pull,
    },
    counts_deaths=frozenset({waking.CALL}),
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
    periodic={"webhooks_in.sweep": (600.0, jobs.sweep), "webhooks_in.functions": (30.0, jobs.look)},
    runs={"webhooks_in.ask": subscribing.keep_asking, _OFFER: offering.keep_offering},
    calls=frozenset({waking.CALL, _OFFER}),
    measures=(offering.measure,),
    reseals={"webhooks_in.secrets": managing.reseal, "webhooks_in.addresses": subscribing.reseal},
    caps=CAPS,
    settings=Settings,
)
