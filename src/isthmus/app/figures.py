"""What a deployment tells of itself on `/metrics`: its pool, its queue, and what each room measures."""

from collections.abc import Sequence

from isthmus.app.features import FEATURES
from isthmus.app.platform import Platform
from isthmus.features import connections
from isthmus.kit.figures import Figure

_POOL = "isthmus_database_connections", "Connections to the database, by what they do."
_LINE = "isthmus_database_waiting", "Callers that wait for a connection."
_DEPTH = "isthmus_queue_wakes", "Wake-ups by job and state."
_OLDEST = "isthmus_queue_oldest_seconds", "For how long the oldest wake-up of a job has been due."


async def figures(platform: Platform) -> Sequence[Figure]:
    """Everything but the traffic of this process. Raises DatabaseUnavailable."""
    lent, idle, waiting = platform.engine.database.use
    told = [
        Figure(*_POOL, lent, {"state": "lent"}),
        Figure(*_POOL, idle, {"state": "idle"}),
        Figure(*_LINE, waiting),
        *platform.engine.part(connections.Clients).calls.figures(),
    ]
    async with platform.engine.database.system() as tx:
        for depth in await platform.engine.queue.stats(tx):
            told.append(Figure(*_DEPTH, depth.queued, {"job": depth.job, "state": "queued"}))
            told.append(Figure(*_DEPTH, depth.running, {"job": depth.job, "state": "running"}))
            told.append(Figure(*_DEPTH, depth.parked, {"job": depth.job, "state": "parked"}))
            told.append(Figure(*_OLDEST, depth.oldest_seconds, {"job": depth.job}))
        for feature in FEATURES:
            for measure in feature.measures:
                told.extend(await measure(platform.system, tx))
    return told
