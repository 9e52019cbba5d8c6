"""Whom a worker's wake-up is for: every process, or those that have the function it is about."""

from isthmus.engine.queue import Wake, addressed
from isthmus.features.webhooks_in.model.handling import function_of

HANDLE = "webhooks_in.handle"
#: With the address of a function behind it: only processes that have it take such a wake-up.
CALL = "webhooks_in.call"


def address(tenant_id: str, name: str) -> str:
    """What a process takes the wake-ups of that has this function."""
    return f"{tenant_id}/{name}"


def job(tenant_id: str, key: str) -> str:
    """The job that wakes the worker of a key."""
    name = function_of(key)
    return HANDLE if name is None else addressed(CALL, address(tenant_id, name))


def wake(tenant_id: str, key: str) -> Wake:
    """The wake-up of a worker."""
    return Wake(job(tenant_id, key), key, tenant_id)
