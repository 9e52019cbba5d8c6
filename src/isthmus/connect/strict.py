"""What every table of a manifest is: data that refuses what it does not know (security.md PL-06)."""

import msgspec


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every part of a manifest refuses what it does not know."""
