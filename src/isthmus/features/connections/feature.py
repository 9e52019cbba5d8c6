"""Connections, as the composition root sees them."""

from isthmus.feature import Cap, Feature
from isthmus.features.connections import jobs
from isthmus.features.connections.events import EMITS
from isthmus.features.connections.routes import PERMISSIONS, ROUTES
from isthmus.features.connections.service import hosts, integrations, keeping, managing, personal, revoking, trying
from isthmus.features.connections.service.personal import DEPART
from isthmus.features.connections.service.sealing import reseal
from isthmus.features.connections.settings import Settings

_SWEEP_SECONDS = 60.0

FEATURE = Feature(
    name="connections",
    objects={"con": "connections", "int": "integrations", "rvk": "token_revocations"},
    routes=ROUTES,
    emits=EMITS,
    permissions=PERMISSIONS,
    jobs={
        integrations.PURGE: jobs.purge,
        DEPART: jobs.depart,
        trying.JOB: jobs.test,
        revoking.JOB: jobs.revoke,
        keeping.JOB: jobs.renew,
    },
    listens={
        "connections.member_removed": (("member.removed",), jobs.member_removed),
        "connections.makers": (("member.removed", "member.roles_changed", "api_key.revoked"), jobs.maker_changed),
        "connections.connect_sessions": (("connection.connected",), jobs.connected),
        "connections.synced": (("sync.completed",), jobs.synced),
    },
    reconcile=(integrations.unpurged, personal.missing, trying.missing, revoking.missing, keeping.missing),
    periodic={"connections.sweep": (_SWEEP_SECONDS, jobs.sweep)},
    leaves=[managing.end_all],
    caps=(
        Cap(
            name="connections.host_connections",
            counts="Calls under way to the host that has most of them; more wait for ten seconds.",
            unit="connections",
            refusal="TOO_MANY_CONNECTIONS",
            limit=lambda scope: scope.part(Settings).host_connections,
            used_apart=hosts.calls_under_way,
        ),
    ),
    settings=Settings,
    reseals={"connections": reseal, "token_revocations": revoking.reseal},
)
