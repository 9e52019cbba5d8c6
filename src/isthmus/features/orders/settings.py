"""The knobs of orders."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """How long persons are known."""

    personal_days: int = field(
        default=730,
        metadata={"help": "Days after an order was placed when names, addresses and notes are erased; 0 keeps them."},
    )
    erase_at_once: int = field(
        default=500, metadata={"help": "Most orders whose personal data one transaction erases."}
    )
