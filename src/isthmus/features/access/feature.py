"""Access, as the composition root sees it."""

from isthmus.feature import Feature
from isthmus.features.access.events import EMITS
from isthmus.features.access.jobs import JOBS
from isthmus.features.access.routes import (
    accounts,
    exports,
    glasses,
    identities,
    issuers,
    keys,
    login_issuers,
    logins,
    members,
    sessions,
    tenants,
    usage,
)
from isthmus.features.access.service.accounts import sweep
from isthmus.features.access.service.caps import CAPS
from isthmus.features.access.service.erasing import missing
from isthmus.features.access.service.factors import reseal
from isthmus.features.access.service.glasses import send_out_left
from isthmus.features.access.service.login_issuers import reseal_issuers
from isthmus.features.access.settings import Settings

FEATURE = Feature(
    name="access",
    objects={"usr": "users"},
    routes=[
        accounts.routes,
        sessions.routes,
        logins.routes,
        identities.mine,
        login_issuers.routes,
        members.routes,
        identities.theirs,
        issuers.routes,
        keys.routes,
        keys.reports,
        tenants.routes,
        usage.routes,
        usage.of_tenants,
        exports.routes,
        glasses.entering,
        glasses.seeing,
    ],
    jobs=JOBS,
    reconcile=[missing],
    emits=EMITS,
    permissions=[
        accounts.OWN,
        members.MANAGE,
        keys.MANAGE,
        tenants.MANAGE,
        usage.READ,
        exports.EXPORT,
        glasses.BREAK,
        glasses.SEE,
        login_issuers.MANAGE,
    ],
    periodic={"access.sweep": (600.0, sweep), "access.glasses": (30.0, send_out_left)},
    reseals={"access.second_factors": reseal, "access.login_issuers": reseal_issuers},
    caps=CAPS,
    settings=Settings,
)
