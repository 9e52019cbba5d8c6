"""What `app.py` needs to know of this room."""

from isthmus.feature import Feature
from isthmus.features.search import routes
from isthmus.features.search.service import indexing, paging
from isthmus.features.search.settings import Settings

_SWEEP_SECONDS = 300.0

FEATURE = Feature(
    name="search",
    routes=(routes.routes,),
    permissions=(routes.USE,),
    periodic={"search.sweep": (_SWEEP_SECONDS, paging.sweep)},
    runs={"search.index": indexing.run},
    bulk_runs=frozenset({"search.index"}),
    settings=Settings,
)
