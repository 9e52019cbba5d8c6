"""The audit log, as the composition root sees it."""

from isthmus.feature import Feature
from isthmus.features.audit.events import EMITS
from isthmus.features.audit.jobs import RUNS
from isthmus.features.audit.routes import READ, SEE_SETTINGS, routes, setting_routes
from isthmus.features.audit.service.sealing import measure
from isthmus.features.audit.service.signing import reseal
from isthmus.features.audit.settings import Settings

FEATURE = Feature(
    name="audit",
    routes=[routes, setting_routes],
    emits=EMITS,
    permissions=[READ, SEE_SETTINGS],
    runs=RUNS,
    measures=(measure,),
    reseals={"audit.signing_keys": reseal},
    settings=Settings,
)
