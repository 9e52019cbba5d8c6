"""What can be wrong with a record before it reaches the store."""


class Unstorable(Exception):
    """A canonical record that must not be stored; `reason` says why in a sentence a merchant can read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
