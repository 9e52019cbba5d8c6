"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.records import jobs, routes
from isthmus.features.records.events import EMITS

FEATURE = Feature(
    name="records",
    routes=(routes.products, routes.listings, routes.entries),
    listens={"records.disconnected": (("connection.disconnected",), jobs.disconnected)},
    emits=EMITS,
    permissions=(routes.READ, routes.READ_RECORDS),
)
