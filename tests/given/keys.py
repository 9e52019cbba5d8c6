"""Master keys of tests: a name gives always the same key."""

import hashlib

from isthmus.engine.keys import Key, KeyRing


def ring(*names: str) -> KeyRing:
    """A ring of these keys, the first one in use."""
    return KeyRing([Key(name, hashlib.sha256(name.encode()).digest()) for name in names], ["the test keys"])
