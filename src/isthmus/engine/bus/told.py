"""Words that every process hears at once, such as which thing is no longer what it was; what is missed is told anew."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from isthmus.engine.db import Tx

CHANNEL: Final = "isthmus_told"
_TELL: Final = "select pg_notify('isthmus_told', $1)"
#: Stands in no topic and no key.
_BETWEEN: Final = "\x1f"

#: Called with a key, or with None where something may have been missed: then anything may have changed.
Hear = Callable[[str | None], None]


class Told:
    """Who hears of what in one process."""

    def __init__(self) -> None:
        self._ears: dict[str, list[Hear]] = {}

    @contextlib.contextmanager
    def hearing(self, topic: str, hear: Hear) -> Iterator[None]:
        """Call this with what is told of a topic, as long as the block lasts."""
        ears = self._ears.setdefault(topic, [])
        ears.append(hear)
        try:
            yield
        finally:
            ears.remove(hear)

    def hear(self, word: str) -> None:
        """Pass on what came over the channel."""
        topic, _, key = word.partition(_BETWEEN)
        for hear in list(self._ears.get(topic, ())):
            hear(key)

    def missed(self) -> None:
        """Something may have been told while nobody listened."""
        for ears in list(self._ears.values()):
            for hear in list(ears):
                hear(None)


async def tell(tx: Tx, topic: str, key: str) -> None:
    """Have every process hear this once the transaction has committed, and never where it does not."""
    await tx.fetch_sql(_TELL, f"{topic}{_BETWEEN}{key}")
