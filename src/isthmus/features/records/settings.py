"""The knobs of the canonical store."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is stored."""

    stored_bytes: int = field(
        default=107_374_182_400,
        metadata={
            "help": "Bytes of records (listings, orders, records of every other kind) from which on a tenant begins no "
            "new runs and uploads; 0 for no bound. Orders and webhooks go on."
        },
    )
