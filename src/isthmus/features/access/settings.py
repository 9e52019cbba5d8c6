"""Knobs of access."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """How long this process believes what it knows of a tenant, and how API keys live."""

    tenant_check: timedelta = field(
        default=timedelta(seconds=1),
        metadata={
            "help": "How long a tenant's status is remembered; a suspension counts so much, and three seconds, later."
        },
    )
    tenants_remembered: int = field(
        default=10_000, metadata={"help": "Most tenants whose status is remembered at a time."}
    )
    keys_per_tenant: int = field(default=100, metadata={"help": "Most live API keys of a tenant."})
    key_overlap: timedelta = field(
        default=timedelta(hours=24),
        metadata={"help": "How long a rotated API key lives on beside its successor, unless the call says."},
    )
    key_overlap_most: timedelta = field(
        default=timedelta(days=7), metadata={"help": "The longest overlap that a rotation may ask for."}
    )
    key_use_flush: timedelta = field(
        default=timedelta(minutes=1), metadata={"help": "How often the times of last use of API keys are written."}
    )
    keys_remembered: int = field(
        default=10_000, metadata={"help": "Most API keys whose last use waits to be written in a process."}
    )
    erase_after: timedelta = field(
        default=timedelta(seconds=5),
        metadata={"help": "How long a tenant that is being deleted is kept out before its data are erased."},
    )
    erase_batch: int = field(
        default=5_000, metadata={"help": "Most rows that one transaction of a tenant's deletion erases."}
    )
    session_idle: timedelta = field(
        default=timedelta(hours=12), metadata={"help": "How long a session of a built-in account lives unused."}
    )
    session_life: timedelta = field(
        default=timedelta(days=7), metadata={"help": "How long a session of a built-in account lives at most."}
    )
    session_of_token_life: timedelta = field(
        default=timedelta(hours=12),
        metadata={"help": "How long a browser's session lives at most that was begun with a token of an issuer."},
    )
    reset_life: timedelta = field(
        default=timedelta(minutes=30), metadata={"help": "How long a password can be set anew with a reset."}
    )
    invitation_life: timedelta = field(
        default=timedelta(days=7), metadata={"help": "How long an invitation can be taken up."}
    )
