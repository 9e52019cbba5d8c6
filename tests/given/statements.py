"""What a database is asked, in order: two ways that ask the same cannot be told apart by their time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest


@contextmanager
def written_down() -> Iterator[list[str]]:
    """Every statement while it lasts, values left out."""
    told: list[str] = []

    def telling(name: str, patch: pytest.MonkeyPatch) -> None:
        real = getattr(asyncpg.Connection, name)

        async def tell(self: asyncpg.Connection, query: str, *rest: Any, **more: Any) -> Any:
            told.append(" ".join(query.split()))
            return await real(self, query, *rest, **more)

        patch.setattr(asyncpg.Connection, name, tell)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
            telling(name, patch)
        yield told
