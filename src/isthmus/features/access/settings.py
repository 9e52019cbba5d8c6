"""Knobs of access."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How long this process believes what it knows of a tenant."""

    tenant_check: timedelta = field(
        default=timedelta(seconds=1),
        metadata={
            "help": "How long a tenant's status is remembered; a suspension counts so much, and three seconds, later."
        },
    )
    tenants_remembered: int = field(
        default=10_000, metadata={"help": "Most tenants whose status is remembered at a time."}
    )
