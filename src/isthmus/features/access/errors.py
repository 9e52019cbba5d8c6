"""Failures of access."""

from isthmus.kit.errors import Conflict, NotFound


class TenantNotFound(NotFound):
    """There is no such tenant."""

    code = "TENANT_NOT_FOUND"


class SlugTaken(Conflict):
    """Another tenant has this slug; choose a different one."""

    code = "TENANT_SLUG_TAKEN"
