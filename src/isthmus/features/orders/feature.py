"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.orders import jobs, model, routes, service
from isthmus.features.orders.events import EMITS
from isthmus.features.orders.settings import Settings

_ERASE_SECONDS = 3600.0
_COUNT_SECONDS = 600.0

FEATURE = Feature(
    name="orders",
    routes=(routes.orders, routes.customers),
    listens={
        "orders.disconnected": (("connection.disconnected",), jobs.disconnected),
    },
    emits=EMITS,
    permissions=(model.READ, model.PERSONAL, model.REDACT),
    jobs={service.COUNT: jobs.count},
    periodic={"orders.erase": (_ERASE_SECONDS, jobs.erase), "orders.counts": (_COUNT_SECONDS, jobs.wake_counts)},
    reseals={"orders": service.reseal_orders, "customers": service.reseal_customers},
    settings=Settings,
)
