"""The migrated database against the tables in the code, and the tenant wall of every relation (security.md 2.8)."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from tests.house_database import Copy, differences

from isthmus import features
from isthmus.engine.db import connect

#: Tables without a tenant, and why each may be.
PLATFORM_TABLES = {
    "audit_checkpoints": "hashes of the log of all tenants, which tell nothing of what they commit to",
    "alembic_version": "the schema's own step",
    "bus_days": "which transaction was the oldest one on a day",
    "budget_windows": "quotas by a key that holds no tenant's data",
    "bus_cursors": "where in-process listeners stand in the log of all tenants",
    "login_attempts": "digests of logins on their way, by which a callback learns whose browser it is in",
    "provider_overrides": "facts about providers, shown to every tenant",
    "provider_versions": "the history of facts about providers, which the deployment's own tenant sees",
    "processes": "which processes run and how much tenants have in them, seen by the deployment's own hand only",
    "tenant_erasures": "which tenants are being deleted, seen by the deployment's own hand only",
    "search_builds": "how far the index of each kind of record is built",
    "tenants": "a tenant is its own id; the policy compares it",
    "vault_canary": "proof of master keys, no tenant's data",
    "vault_reseals": "how far a key rotation is",
    "webhook_due": "wake-ups of deliveries of all tenants by time; its rows stand behind policies like any tenant's",
    "webhook_seen": "digests of events that were accepted, which tell nothing of their tenant",
    "webhook_shards": "who delivers which part of all endpoints",
    "webhook_workers": "which processes deliver, so that they share the endpoints fairly",
    "webhook_tokens": "hashes of unguessable tokens, by which the intake learns whose request it is",
}
#: Functions with their owner's rights, and why each may be: the owner stands behind the forced policies too.
DEFINERS = {
    "public.search_find": "full text may use no index behind a policy; it has the tenant's filter inside",
    "public.search_near": "the same for the words that a misspelt one may mean",
    "inbound_days.make": "makes the days of two tables, which the service may not",
    "inbound_days.remove": "drops the days of two tables, which the service may not",
    "event_days.keep": "makes and drops the days of one table, which the service may not",
    "webhook_days.keep": "makes and drops the days of one table, which the service may not",
}
#: Relations of the queue hold wake-ups only and have no tenant's data (VA-16).
QUEUE_SCHEMA = "queue"


#: Unique over all tenants by nature; what a conflict answers does not tell whose the other row is (TN-09).
PLATFORM_WIDE = {
    "sessions_digest_key": "the hash of an unguessable token, which a caller is looked up by",
    "password_resets_digest_key": "the hash of an unguessable token, which its bearer is looked up by",
    "break_glasses_digest_key": "the hash of an unguessable token, which its bearer is looked up by",
    "users_invitation_key": "the hash of an unguessable invitation, which its bearer is looked up by",
    "api_keys_digest_key": "the hash of an unguessable key, which a caller is looked up by",
    "oauth_flows_key": "the hash of an unguessable state, which a callback is looked up by",
    "connect_sessions_token": "the hash of an unguessable token, which its bearer is looked up by",
    "connect_sessions_page": "the hash of an unguessable proof, which the browser that holds it is looked up by",
    "account_claims_holder": "a shop belongs to one tenant of this deployment",
}


@pytest.fixture(scope="module", autouse=True)
def every_table() -> None:
    """Load all table files, those of rooms that nothing else imports included."""
    for part in ("bus", "budget", "holdings", "ledger", "presence"):
        importlib.import_module(f"isthmus.engine.{part}")
    for room in pkgutil.iter_modules(features.__path__):
        if (Path(features.__path__[0]) / room.name / "tables.py").exists():
            importlib.import_module(f"isthmus.features.{room.name}.tables")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(copied: Copy) -> Any:
    connection = await connect(copied.admin_url)
    yield connection
    await connection.close()


async def test_the_migrated_database_is_what_the_tables_say(admin: asyncpg.Connection) -> None:
    assert await differences(admin) == []


async def test_a_planted_difference_is_found(admin: asyncpg.Connection) -> None:
    await admin.execute("create index planted on events (actor)")
    try:
        assert [found.split(":")[0] for found in await differences(admin)] == ["index planted"]
    finally:
        await admin.execute("drop index planted")


#: Every relation that holds rows, in whatever schema, with the days of a table, heirs, views and foreign ones.
_RELATIONS = """
select n.nspname as schema, c.relname as name, c.relkind::text as kind,
  c.relrowsecurity and c.relforcerowsecurity as wall,
  exists (select 1 from pg_inherits h where h.inhrelid = c.oid) as part,
  exists (select 1 from pg_attribute a
    where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) as of_tenants,
  (select a.attname from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
   where i.indrelid = c.oid and i.indisprimary) as first_key,
  (select count(*) from pg_policy p where p.polrelid = c.oid and p.polpermissive and p.polcmd = '*'
    and p.polroles = array['isthmus_tenant'::regrole::oid]
    and pg_get_expr(p.polqual, p.polrelid) = $1 and pg_get_expr(p.polwithcheck, p.polrelid) = $1) as policies,
  (select count(*) from pg_policy p where p.polrelid = c.oid and p.polpermissive
    and p.polroles && array[0::oid, 'isthmus_tenant'::regrole::oid]) as ways_in,
  array(select r || ' ' || what from unnest(array['isthmus_tenant', 'isthmus_service', 'isthmus_system', 'public']) r,
      unnest(array['SELECT', 'INSERT', 'UPDATE', 'REFERENCES', 'DELETE', 'TRUNCATE', 'TRIGGER'])
      with ordinality w(what, n)
    where has_table_privilege(r, c.oid, what) or n <= 4 and has_any_column_privilege(r, c.oid, what)) as rights
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname !~ '^(pg_|information_schema$)' and c.relkind in ('r', 'p', 'v', 'm', 'f') order by 1, 2
"""
#: What a tenant's transaction may do where no policy stands: read what tells of nobody, and wake somebody up.
REACHED = {
    "bus_days": {"isthmus_tenant SELECT"},
    "vault_canary": {"isthmus_tenant SELECT"},
    "pgqueuer": {"isthmus_tenant INSERT"},
}
_OWN = "(tenant_id = ((current_setting('isthmus.tenant'::text))::tenant_key)::text)"


def _open_to_others(row: asyncpg.Record) -> str:
    """What of a relation would let one tenant reach another's rows; nothing where nothing does."""
    if row["kind"] not in {"r", "p"}:
        return "neither a table nor one in parts"
    if row["part"]:
        return "" if row["wall"] and not row["rights"] else "a part that can be named, past the policies of its whole"
    if row["schema"] == QUEUE_SCHEMA or (row["schema"] == "public" and row["name"] in PLATFORM_TABLES):
        reached = {right for right in row["rights"] if not right.startswith("isthmus_system ")}
        return "reached without a policy" if not row["wall"] and reached != REACHED.get(row["name"], set()) else ""
    if not row["wall"]:
        return "no forced row-level security"
    if (row["policies"], row["ways_in"]) != (1, 1):
        return "other ways in than the one policy for what is read and what is written"
    return "" if row["first_key"] == "tenant_id" else "a key that does not begin with the tenant"


async def _weak(admin: asyncpg.Connection) -> dict[str, str]:
    rows = await admin.fetch(_RELATIONS, _OWN)
    assert {"public", QUEUE_SCHEMA, "event_days", "inbound_days", "webhook_days"} <= {row["schema"] for row in rows}
    return {f"{row['schema']}.{row['name']}": why for row in rows if (why := _open_to_others(row))}


async def test_SC_01_what_counts_over_all_tenants_is_known(admin: asyncpg.Connection) -> None:
    """Runs have no number; that of deliveries orders them and is shown to nobody. The queue's own is no tenant's."""
    counting = "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    found = await admin.fetch(f"{counting} where c.relkind = 'S'")
    assert {row[0] for row in found if not row[0].startswith(f"{QUEUE_SCHEMA}.")} == {"public.webhook_numbers"}


async def test_TN_03_every_relation_with_a_tenant_stands_behind_forced_policies(admin: asyncpg.Connection) -> None:
    assert await _weak(admin) == {}


@pytest.mark.parametrize(
    ("planted", "why"),
    [
        ("create table public.planted (tenant_id text, id text, primary key (tenant_id, id))", "no forced"),
        ("create table queue.planted (tenant_id text); grant select on queue.planted to isthmus_tenant", "without"),
        ("create table event_days.planted (like events including all) inherits (connections)", "a part"),
        (
            "create table event_days.planted partition of events for values from ('2001-01-01') to ('2001-01-02')",
            "a part",
        ),
        ("create view public.planted as select * from connections", "neither"),
        ("create materialized view public.planted as select * from connections", "neither"),
        (
            "create table planted (like listings including all); alter table planted enable row level security",
            "no forc",
        ),
        ("create policy planted on connections for select to public using (true)", "other ways"),
        ("alter table connections no force row level security", "no forced"),
        ("grant select on webhook_tokens to isthmus_tenant", "without"),
        ("grant select (payload) on queue.pgqueuer to isthmus_tenant", "without"),
    ],
)
async def test_TN_03_a_planted_hole_would_be_seen(admin: asyncpg.Connection, planted: str, why: str) -> None:
    planting = admin.transaction()
    await planting.start()
    try:
        await admin.execute(planted)
        (found,) = (await _weak(admin)).values()
        assert found.startswith(why) or why in found
    finally:
        await planting.rollback()
    assert await _weak(admin) == {}


_DEFINERS = """
select n.nspname || '.' || p.proname as name, p.proconfig, p.prosrc, array(
  select r.rolname::text from aclexplode(p.proacl) a left join pg_roles r on r.oid = a.grantee
  where a.privilege_type = 'EXECUTE' order by 1
) as rights
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')
"""


async def test_TN_04_no_view_passes_the_wall_and_definer_functions_are_known(admin: asyncpg.Connection) -> None:
    kinds = {row["kind"] for row in await admin.fetch(_RELATIONS, _OWN)}
    assert kinds <= {"r", "p"}
    definers = {row["name"]: row for row in await admin.fetch(_DEFINERS)}
    assert definers.keys() == DEFINERS.keys()
    for name, row in definers.items():
        assert any(one.startswith("search_path=pg_catalog") for one in row["proconfig"]), name
        assert None not in row["rights"], f"{name} may be called by everybody"


@pytest.mark.parametrize("name", ["search_find", "search_near"])
async def test_TN_04_the_functions_of_search_take_the_tenant_from_the_transaction(
    admin: asyncpg.Connection, name: str
) -> None:
    (row,) = [row for row in await admin.fetch(_DEFINERS) if row["name"] == f"public.{name}"]
    assert set(row["rights"]) == {"isthmus_owner", "isthmus_tenant"}
    assert "current_setting('isthmus.tenant')::tenant_key" in row["prosrc"]


_FOREIGN_KEYS = """
select c.conname,
  (select array_agg(a.attname order by k.n) from unnest(c.conkey) with ordinality k(attnum, n)
     join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum) as here,
  (select array_agg(a.attname order by k.n) from unnest(c.confkey) with ordinality k(attnum, n)
     join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.attnum) as there
from pg_constraint c join pg_namespace n on n.oid = c.connamespace where c.contype = 'f' and n.nspname = 'public'
"""


async def test_TN_08_keys_between_tables_hold_the_tenant_at_both_ends(admin: asyncpg.Connection) -> None:
    rows = await admin.fetch(_FOREIGN_KEYS)
    assert rows
    assert [row["conname"] for row in rows if "tenant_id" not in row["here"] or "tenant_id" not in row["there"]] == []


_UNIQUE = """
select i.indexrelid::regclass::text as name, c.relname, a.attname as first
from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
where i.indisunique and n.nspname = 'public'
"""


async def test_TN_09_unique_constraints_begin_with_the_tenant(admin: asyncpg.Connection) -> None:
    rows = await admin.fetch(_UNIQUE)
    spanning = {row["name"] for row in rows if row["relname"] not in PLATFORM_TABLES and row["first"] != "tenant_id"}
    assert spanning == PLATFORM_WIDE.keys()


_PRIVILEGES = """
select r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolcanlogin,
  exists (select 1 from pg_shdepend d where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid
    and d.deptype = 'o') as owns,
  array(select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname !~ '^(pg_|information_schema$)' and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and (has_table_privilege(r.oid, c.oid, 'TRUNCATE, REFERENCES, TRIGGER, MAINTAIN')
        or has_any_column_privilege(r.oid, c.oid, 'REFERENCES'))) as too_much,
  array(select n.nspname::text from pg_namespace n where has_schema_privilege(r.oid, n.oid, 'CREATE')) as creates,
  has_database_privilege(r.oid, current_database(), 'CREATE, TEMP') as makes,
  array(select g.rolname::text from pg_roles g where g.oid <> r.oid
    and pg_has_role(r.oid, g.oid, 'MEMBER') order by 1) as may_be
from pg_roles r where r.rolname in ('isthmus_tenant', 'isthmus_system', 'isthmus_service') order by 1
"""


async def test_TN_05_the_service_roles_own_nothing_and_may_do_little(admin: asyncpg.Connection) -> None:
    rows = {row["rolname"]: dict(row) for row in await admin.fetch(_PRIVILEGES)}
    assert set(rows) == {"isthmus_tenant", "isthmus_system", "isthmus_service"}
    may_be = {name: role.pop("may_be") for name, role in rows.items()}
    assert may_be == {
        "isthmus_service": ["isthmus_system", "isthmus_tenant"],
        "isthmus_system": [],
        "isthmus_tenant": [],
    }
    assert rows["isthmus_service"].pop("rolcanlogin")
    for name, role in rows.items():
        assert {right: has for right, has in role.items() if has} == {"rolname": name}


async def test_TN_05_a_service_role_can_make_and_empty_nothing(copied: Copy) -> None:
    for role in ("isthmus_service", "isthmus_tenant", "isthmus_system"):
        service = await asyncpg.connect(copied.url)
        await service.execute(f"set role {role}")
        for statement in (
            "truncate connections",
            "create table public.planted (id text)",
            "create temp table planted (id text)",
            "create schema planted",
            "alter table connections disable row level security",
            "create policy planted on connections using (true)",
            "set role isthmus_owner",
            "set role postgres",
            "set session authorization isthmus_owner",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(statement)
        await service.close()


async def test_AU_02_the_event_log_is_append_only(admin: asyncpg.Connection) -> None:
    query = "select has_table_privilege($1, 'events', $2)"
    for role, right in (("isthmus_tenant", "UPDATE"), ("isthmus_tenant", "DELETE"), ("isthmus_system", "UPDATE")):
        assert await admin.fetchval(query, role, right) is False
    # the system deletes behind a restrictive policy only: rows of a tenant that is being deleted
    policies = "select permissive, roles::text[], cmd from pg_policies where tablename = 'events' and policyname = $1"
    assert tuple(await admin.fetchrow(policies, "erasure")) == ("RESTRICTIVE", ["isthmus_system"], "DELETE")
    for role in ("isthmus_tenant", "isthmus_system"):
        for right in ("INSERT", "SELECT"):
            assert await admin.fetchval(query, role, right) is True
    checkpoints = "select has_table_privilege($1, 'audit_checkpoints', $2)"
    for role in ("isthmus_tenant", "isthmus_system"):
        for right in ("UPDATE", "DELETE", "TRUNCATE"):
            assert await admin.fetchval(checkpoints, role, right) is False


_PARTS = """
select r.rolname, c.relname, array_agg(p.name order by p.name) filter (where has_table_privilege(r.oid, c.oid, p.name))
  as rights, pg_has_role(r.oid, c.relowner, 'MEMBER') as owner
from pg_class c, pg_roles r, unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as p (name)
where c.relnamespace = 'event_days'::regnamespace and c.relkind = 'r' and r.rolname like 'isthmus\\_%'
  and r.rolname not in ('isthmus_owner', 'isthmus_backup')
group by r.oid, r.rolname, c.oid, c.relname, c.relowner
"""


async def test_AU_02_no_part_of_the_log_is_written_past_it_or_dropped_but_by_retention(
    admin: asyncpg.Connection,
) -> None:
    rows = await admin.fetch(_PARTS)
    assert {row["relname"] for row in rows} > {"kept", "rest"}
    assert [dict(row) for row in rows if row["rights"] or row["owner"]] == []
    calls = "select rolname from pg_roles where has_function_privilege(oid, 'event_days.keep(date, date)', 'EXECUTE')"
    may = {row["rolname"] for row in await admin.fetch(f"{calls} and not rolsuper and rolname like 'isthmus%'")}
    assert may - {"isthmus_owner"} == {"isthmus_system"}
    whole = admin.transaction()
    await whole.start()
    try:
        await admin.execute("set local role isthmus_system")
        for statement in ("drop table event_days.kept", "alter table events detach partition event_days.kept"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with admin.transaction():
                    await admin.execute(statement)
        await admin.execute("select event_days.keep(current_date, current_date + 1)")
        kept = "select to_regclass('event_days.kept') is not null"
        assert await admin.fetchval(kept), "what is audited is of no day, so that no day's end takes it away"
    finally:
        await whole.rollback()
