"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.links import jobs
from isthmus.features.links.events import EMITS
from isthmus.features.links.routes import inventory, links
from isthmus.features.links.service import balancing

FEATURE = Feature(
    name="links",
    objects={"itm": "inventory_items"},
    routes=(links.routes, inventory.products, inventory.buffers),
    jobs={balancing.JOB: jobs.balance},
    listens={"links.pushed": (("push.finished",), jobs.pushed)},
    listens_at_once={"links.changed": (("listing.updated", "listing.deleted"), jobs.changed)},
    emits=EMITS,
    permissions=(links.READ, links.LINK),
    reconcile=(balancing.missing,),
    periodic={"links.due": (5.0, jobs.wake)},
)
