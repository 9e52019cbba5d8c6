"""Which plan includes which other (pure)."""

from collections.abc import Sequence


def includes(plans: Sequence[str], own: str | None, wanted: str | None) -> bool:
    """Whether a tenant's plan gives it what needs `wanted`: it is that plan, or stands behind it in the list."""
    if wanted is None or own == wanted:
        return True
    return own in plans and wanted in plans and plans.index(own) >= plans.index(wanted)
