"""What `app.py` needs to know of this room."""

from isthmus.feature import Cap, Feature
from isthmus.features.records import jobs, routes
from isthmus.features.records.errors import StoreFull
from isthmus.features.records.events import EMITS
from isthmus.features.records.service import room
from isthmus.features.records.settings import Settings

_COUNT_SECONDS = 600.0

FEATURE = Feature(
    name="records",
    routes=(routes.products, routes.listings, routes.entries),
    listens={"records.disconnected": (("connection.disconnected",), jobs.disconnected)},
    emits=EMITS,
    permissions=(routes.READ, routes.READ_RECORDS),
    jobs={room.COUNT: room.count},
    periodic={"records.counts": (_COUNT_SECONDS, room.wake_counts)},
    caps=(
        Cap(
            name="records.stored_bytes",
            counts="What all records together take: listings, orders and records of every other kind.",
            unit="bytes",
            refusal=StoreFull.code,
            limit=room.stored_most,
            used=room.stored_bytes,
        ),
    ),
    settings=Settings,
)
