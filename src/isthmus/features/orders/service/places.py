"""The places that seals of this room are bound to (security.md VA-04)."""

from typing import Final

PERSONAL: Final = "orders.personal"
RAW: Final = "orders.raw"
CUSTOMER: Final = "customers.personal"
