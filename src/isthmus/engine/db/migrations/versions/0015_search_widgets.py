"""Search over records, behind the wall through two functions, and what widgets show of integrations."""

from alembic import op

from isthmus.engine.db.migrations.ddl import TENANT, protect, share

revision = "0015"
down_revision: str | None = "0014"
branch_labels = None
depends_on = None

_TABLES = (
    """
    create table search_documents (
      tenant_id text not null,
      id text not null,
      connection_id text not null,
      provider text not null,
      entity text not null,
      shard_type text not null,
      external_id text not null,
      title text not null,
      folded text not null,
      snippet text not null,
      url text,
      lexemes tsvector not null,
      version integer not null,
      updated_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    "create index search_documents_lexemes on search_documents using gin (lexemes) with (fastupdate = off)",
    "create index search_documents_connection on search_documents (connection_id, tenant_id)",
    """
    create table search_words (
      tenant_id text not null,
      word text not null,
      grams text[] not null,
      primary key (tenant_id, word)
    )
    """,
    "create index search_words_grams on search_words using gin (grams) with (fastupdate = off)",
    """
    create unlogged table search_snapshots (
      tenant_id text not null,
      id text not null,
      body bytea not null,
      expires_at timestamptz not null,
      primary key (tenant_id, id)
    )
    """,
    "create index search_snapshots_expiry on search_snapshots (expires_at)",
    """
    create table widget_activities (
      tenant_id text not null,
      id text not null,
      integration_id text not null,
      connection_id text not null,
      type text not null,
      status text not null,
      at timestamptz not null,
      details jsonb not null,
      primary key (tenant_id, id)
    )
    """,
    "create index widget_activities_of on widget_activities (integration_id, tenant_id, at)",
    "create index widget_activities_at on widget_activities (at)",
    """
    create table search_builds (
      source text not null primary key,
      after_tenant text not null,
      after_id text not null,
      done boolean not null,
      changed_at timestamptz not null
    )
    """,
)
_NAMES = ("search_documents", "search_words")

# Operators that are not leakproof (@@, &&) may use no index behind a policy, so these two run as the tables' owner,
# with the tenant's filter inside (security.md TN-14). The filters are written so that no other index can serve them:
# a table without statistics would else be walked by tenant.
_FUNCTIONS = (
    """
    create function search_grams(tenant text, word text) returns text[]
    language sql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
      select array(select left(md5(tenant), 8) || g from unnest(show_trgm(word)) g where g not like '  %')
    $$
    """,
    """
    create function search_find(
      connections text[], queries text[], entities text[], types text[], phrase text,
      since timestamptz, until timestamptz, candidates integer, most integer
    )
    returns table (
      id text, connection_id text, provider text, entity text, external_id text, title text, snippet text, url text,
      updated_at timestamptz, score real, found bigint
    )
    language sql stable security definer
    set search_path = pg_catalog, public, pg_temp
    set enable_seqscan = off
    set enable_indexscan = off
    set jit = off
    as $$
      select r.id, r.connection_id, r.provider, r.entity, r.external_id, r.title, r.snippet, r.url, r.updated_at,
        r.score, r.found
      from unnest(connections, queries, entities, types) as w(connection_id, query, entities, types)
      cross join lateral (
        select c.*, count(*) over () as found,
          (0.5 * similarity(c.folded, phrase) + case when c.folded = phrase then 0.5
             when strpos(c.folded, phrase) > 0 then 0.3 else 0 end)::real as score
        from (
          select d.* from search_documents d
          where d.lexemes @@ w.query::tsquery
            and (d.connection_id = w.connection_id) is true
            and (d.tenant_id = current_setting('isthmus.tenant')::tenant_key) is true
            and (w.entities = '' or d.entity = any(string_to_array(w.entities, ','))
              or d.shard_type = any(string_to_array(w.entities, ',')))
            and (w.types = '' or d.shard_type = any(string_to_array(w.types, ',')))
            and (since is null or d.updated_at >= since) and (until is null or d.updated_at < until)
          limit candidates
        ) c
        order by score desc, c.updated_at desc, c.id
        limit most
      ) r
    $$
    """,
    """
    create function search_near(words text[], most integer) returns table (asked text, word text, likeness real)
    language sql stable security definer
    set search_path = pg_catalog, public, pg_temp
    set enable_seqscan = off
    set enable_indexscan = off
    set jit = off
    as $$
      select a.asked, n.word, n.likeness
      from unnest(words) as a(asked)
      cross join lateral (
        select s.word, similarity(s.word, a.asked) as likeness
        from search_words s
        where s.grams && search_grams(current_setting('isthmus.tenant')::tenant_key, a.asked)
          and (s.tenant_id = current_setting('isthmus.tenant')::tenant_key) is true
          and similarity(s.word, a.asked) >= 0.15
        order by likeness desc, s.word
        limit most
      ) n
    $$
    """,
)
_SIGNATURES = (
    "search_near(text[], integer)",
    "search_find(text[], text[], text[], text[], text, timestamptz, timestamptz, integer, integer)",
    "search_grams(text, text)",
)


def upgrade() -> None:
    """Create the tables and functions."""
    for statement in _TABLES:
        op.execute(statement)
    for name in _NAMES:
        protect(op, name)
        # The functions run as the owner, whom the forced policies would else show nothing.
        op.execute(f"create policy search on {name} for select to current_user using (true)")
    protect(op, "search_snapshots")
    protect(op, "widget_activities")
    share(op, "search_builds")
    for function in _FUNCTIONS:
        op.execute(function)
    for signature in _SIGNATURES:
        op.execute(f"revoke all on function {signature} from public")
    for signature in _SIGNATURES[:2]:
        op.execute(f"grant execute on function {signature} to {TENANT}")
    op.execute("grant execute on function search_grams(text, text) to isthmus_system")


def downgrade() -> None:
    """Drop them."""
    for signature in _SIGNATURES:
        op.execute(f"drop function {signature}")
    for name in ("widget_activities", "search_builds", "search_snapshots", *reversed(_NAMES)):
        op.execute(f"drop table {name}")
