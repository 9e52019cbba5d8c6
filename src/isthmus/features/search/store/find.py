"""Reading the index as one tenant, through the two functions that may use its indexes (security.md TN-14)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from isthmus.engine.db import Tx
from isthmus.features.search.model import Asked

_FIND: Final = """
select id, connection_id, provider, entity, external_id, title, snippet, url, updated_at, score, found
from search_find($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_NEAR: Final = "select asked, word from search_near($1, $2)"
#: Records of all connections together that are ranked.
CANDIDATES: Final = 1_000
_NEAREST: Final = 40
#: Most results of one integration.
DEEPEST: Final = 100


@dataclass(frozen=True, slots=True)
class Look:
    """Which records of one connection are looked through; empty tuples mean all."""

    connection_id: str
    query: str
    entities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


async def find(tx: Tx, asked: Asked, looks: Sequence[Look]) -> list[asyncpg.Record]:
    """The best documents of each connection for its query, and how many of its candidates there were (`found`)."""
    if not looks:
        return []
    share = max(1, CANDIDATES // len(looks))
    return await tx.fetch_sql(
        _FIND,
        [one.connection_id for one in looks],
        [one.query for one in looks],
        [",".join(one.entities) for one in looks],
        [",".join(one.types) for one in looks],
        asked.phrase,
        asked.since,
        asked.until,
        share,
        min(share, DEEPEST),
    )


async def near(tx: Tx, words: Sequence[str]) -> dict[str, list[str]]:
    """For each word those of the tenant's words that share most of its trigrams, itself among them."""
    found: dict[str, list[str]] = {}
    for asked, word in await tx.fetch_sql(_NEAR, words, _NEAREST):
        found.setdefault(asked, []).append(word)
    return found
