"""Outbound webhooks, as the composition root sees them."""

from isthmus.feature import Feature
from isthmus.features.webhooks_out import jobs
from isthmus.features.webhooks_out.events import EMITS
from isthmus.features.webhooks_out.routes import ROUTES
from isthmus.features.webhooks_out.routes.access import EVENTS, MANAGE, PUBLISH, READ
from isthmus.features.webhooks_out.service import dispatching, fanning, recovering, retaining
from isthmus.features.webhooks_out.service.caps import CAPS
from isthmus.features.webhooks_out.service.endpoints import reseal
from isthmus.features.webhooks_out.settings import Settings
from isthmus.features.webhooks_out.store import figures

_SWEEP_SECONDS = 600.0
_CATCH_UP_SECONDS = 10.0

FEATURE = Feature(
    name="webhooks_out",
    objects={"rcv": "webhook_recoveries"},
    routes=ROUTES,
    jobs={recovering.RECOVER: jobs.recover},
    bulk=frozenset({recovering.RECOVER}),
    listens={
        "webhooks_out.members": (("member.removed", "member.roles_changed"), jobs.member_changed),
        "webhooks_out.keys": (("api_key.revoked",), jobs.key_revoked),
        "webhooks_out.tenants": (("tenant.status_changed",), jobs.tenant_changed),
    },
    emits=EMITS,
    permissions=(READ, MANAGE, PUBLISH, EVENTS),
    reconcile=(jobs.missing,),
    periodic={
        "webhooks_out.sweep": (_SWEEP_SECONDS, retaining.sweep),
        "webhooks_out.catch_up": (_CATCH_UP_SECONDS, jobs.catch_up),
    },
    runs={"webhooks_out.fan_out": fanning.run, "webhooks_out.deliver": dispatching.run},
    reseals={"webhook_endpoints": reseal},
    measures=(figures.measure,),
    caps=CAPS,
    settings=Settings,
)
