"""Everything that a database holds, to look for what must not be there."""

import base64

import asyncpg
from tests.house_database import Copy

_PLACES = """
select n.nspname || '.' || quote_ident(c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema)' order by 1
"""


async def dump(copied: Copy) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    connection = await asyncpg.connect(copied.admin_url)
    try:
        places = [row[0] for row in await connection.fetch(_PLACES)]
        return {
            place: [row[0] for row in await connection.fetch(f"select to_jsonb(t)::text from {place} t")]  # noqa: S608
            for place in places
        }
    finally:
        await connection.close()


def forms(secret: str) -> tuple[str, ...]:
    """How a secret may stand there: plainly, as bytes, or in the letters of base 64."""
    raw = secret.encode()
    return secret, raw.hex(), base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode()[:-4]
