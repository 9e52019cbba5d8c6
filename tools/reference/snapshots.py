"""Snapshots that make a change of the wall visible in review: schema, permissions, routes."""

import asyncpg
from tools.reference import code

from isthmus.kit.permissions import ROLES

#: Every relation of ours as the database describes it; names and texts only, so that two machines answer alike.
_QUERIES = {
    "columns": """
        select c.relname as place, a.attnum::int as step, '  ' || a.attname || ' '
          || format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end
          || case when a.attidentity <> '' then ' generated as identity' else '' end
          || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as line
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
          and a.attnum > 0 and not a.attisdropped
    """,
    "constraints": """
        select c.relname as place, 10000 as step,
          'constraint ' || k.conname || ' ' || pg_get_constraintdef(k.oid) as line
        from pg_constraint k join pg_class c on c.oid = k.conrelid
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and k.contype <> 'n'
    """,
    "indexes": """
        select t.relname as place, 20000 as step,
          replace(pg_get_indexdef(i.indexrelid), ' ON public.', ' ON ') as line
        from pg_index i join pg_class t on t.oid = i.indrelid
        where t.relnamespace = 'public'::regnamespace
    """,
    "walls": """
        select c.relname as place, 30000 as step, '  row security: '
          || case when c.relrowsecurity and c.relforcerowsecurity then 'forced'
             when c.relrowsecurity then 'enabled' else 'none' end as line
        from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
    """,
    "policies": """
        select c.relname as place, 30001 as step, '  policy ' || p.polname || ' for '
          || (select string_agg(r.rolname, ',' order by r.rolname) from pg_roles r where r.oid = any (p.polroles))
          || ': using ' || coalesce(pg_get_expr(p.polqual, p.polrelid), '-')
          || ' check ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '-') as line
        from pg_policy p join pg_class c on c.oid = p.polrelid where c.relnamespace = 'public'::regnamespace
    """,
    "grants": """
        select g.table_name as place, 40000 as step, '  grant ' || string_agg(lower(g.privilege_type), ','
          order by g.privilege_type) || ' to ' || g.grantee as line
        from information_schema.role_table_grants g
        where g.table_schema = 'public' and g.grantee in ('isthmus_tenant', 'isthmus_system')
        group by g.table_name, g.grantee
    """,
}


async def schema(connection: asyncpg.Connection) -> str:
    """The tables of a migrated database: columns, constraints, indexes, row security, policies, grants."""
    found: list[tuple[str, int, str]] = []
    for query in _QUERIES.values():
        rows = await connection.fetch(query)
        found.extend((row["place"], row["step"], " ".join(row["line"].split())) for row in rows)
    lines = ["-- The migrated database as it describes itself; written by `python -m tools.reference`."]
    place = ""
    for table, _, line in sorted(found):
        if table != place:
            lines += ["", f"table {table}"]
            place = table
        lines.append(f"  {line}")
    return "\n".join(lines) + "\n"


def permissions() -> str:
    """Who holds what."""
    lines = [f"{one.name}: {', '.join(role for role in ROLES if role in one.roles)}" for one in code.permissions()]
    return "\n".join(lines) + "\n"


def routes() -> str:
    """What each route asks for and admits."""
    lines = [
        f"{method} {path}: {declaration.permission.name or 'PUBLIC'}, limit {declaration.limit}"
        + (", stream" if declaration.stream else "")
        + (", any query" if declaration.open_query else "")
        for path, method, declaration in code.declared()
    ]
    return "\n".join(lines) + "\n"
