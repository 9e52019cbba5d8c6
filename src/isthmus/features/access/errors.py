"""Failures of access."""

from isthmus.kit.errors import Conflict, NotFound


class TenantNotFound(NotFound):
    """There is no such tenant.

    Take the id or the slug from `isthmus tenant list`.
    """

    code = "TENANT_NOT_FOUND"


class SlugTaken(Conflict):
    """Another tenant has this slug; choose a different one.

    Give another one with `--slug`.
    """

    code = "TENANT_SLUG_TAKEN"
