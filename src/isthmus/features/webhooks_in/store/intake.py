"""Statements that make deliveries durable, several in one commit, and that keep what was refused for a while."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from isthmus.engine.db import Tx, joined
from isthmus.features.webhooks_in.model.deliveries import Entry, Refusal

# One statement for each commit: the ledger, the log, and the counts that wake the router. Texts come joined, which is
# cheaper.
_KEEP = """
with given as (
  select g.digest, g.received_at, g.body, g.occurred_at, g.more, g.tenant_id, g.id, g.source_id, g.provider,
         g.request_id, coalesce(g.address, '') as address, g.method, coalesce(g.query, '') as query,
         g.headers::jsonb as headers, g.verdict::jsonb as verdict, coalesce(g.topic, '') as topic, g.event,
         coalesce(g.entity, '') as entity, coalesce(g.account, '') as account, coalesce(g.object, '') as object,
         coalesce(g.simulated, '') as simulated
  from unnest($1::bytea[], $2::timestamptz[], $3::bytea[], $4::timestamptz[], $21::integer[],
              string_to_array($5, chr(31)), string_to_array($6, chr(31)), string_to_array($7, chr(31)),
              string_to_array($8, chr(31)), string_to_array($9, chr(31)), string_to_array($10, chr(31)),
              string_to_array($11, chr(31)), string_to_array($12, chr(31)), string_to_array($13, chr(31)),
              string_to_array($14, chr(31)), string_to_array($15, chr(31)), string_to_array($16, chr(31)),
              string_to_array($17, chr(31)), string_to_array($18, chr(31)), string_to_array($19, chr(31)),
              string_to_array($20, chr(31)))
    as g (digest, received_at, body, occurred_at, more, tenant_id, id, source_id, provider, request_id, address, method,
          query, headers, verdict, topic, event, entity, account, object, simulated)
), fresh as (
  insert into webhook_seen (digest, at) select digest, received_at from given order by digest
  on conflict do nothing returning digest
), kept as (
  insert into webhook_inbox (tenant_id, id, source_id, provider, received_at, request_id, address, method, query,
                             headers, body, verdict, topic, event, entity, account, object, occurred_at, simulated,
                             rehearsed, state)
  select tenant_id, id, source_id, provider, received_at, request_id, address, method, query, headers, body, verdict,
         topic, event, entity, account, object, occurred_at, simulated <> '', simulated = 'rehearsed', 'received'
  from given join fresh using (digest)
  returning id
), counted as (
  insert into webhook_mail as m (tenant_id, source_id, wanted, repeats, last_at, since)
  select g.tenant_id, g.source_id, count(f.digest), count(*) - count(f.digest) + sum(g.more), $22,
         min(g.id) filter (where f.digest is not null)
  from given g left join fresh f using (digest)
  group by g.tenant_id, g.source_id order by g.tenant_id, g.source_id
  on conflict (tenant_id, source_id) do update
    set wanted = m.wanted + excluded.wanted, repeats = m.repeats + excluded.repeats, last_at = excluded.last_at,
      since = least(m.since, excluded.since)
  returning tenant_id, source_id, wanted, seen
)
select id, null as tenant_id, null::bigint as wanted, null::bigint as seen from kept
union all
select source_id, tenant_id, wanted, seen from counted
"""
_JSON = msgspec.json.Encoder()
_FIRST = """
update webhook_sources s set first_verified_at = $3
from unnest($1::text[], $2::text[]) as g (tenant_id, id)
where s.tenant_id = g.tenant_id and s.id = g.id and s.first_verified_at is null
"""
_REFUSE = """
insert into webhook_refused (tenant_id, source_id, id, at, reason, message, address, headers, body)
select g.tenant_id, g.source_id, g.id, g.at, g.reason, g.message, g.address, g.headers, g.body
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::jsonb[],
            $9::bytea[]) as g (tenant_id, source_id, id, at, reason, message, address, headers, body)
"""
_TRIM = """
delete from webhook_refused r using (
  select tenant_id, source_id, id from (
    select tenant_id, source_id, id, row_number() over (partition by tenant_id, source_id order by id desc) as place
    from webhook_refused
    where (tenant_id, source_id) in (select t, s from unnest($1::text[], $2::text[]) as g (t, s))
  ) as ranked where place > $3
) as old
where r.tenant_id = old.tenant_id and r.source_id = old.source_id and r.id = old.id
"""
#: How much one transaction forgets: small ones hold nobody up.
SWEPT = 5_000
_SWEEP_REFUSED = "delete from webhook_refused where at < $1"
_SWEEP_SEEN = """
delete from webhook_seen where digest in (select digest from webhook_seen where at < $1 limit 5000)
"""


async def keep(
    tx: Tx, entries: Sequence[Entry], more: Sequence[int], now: datetime
) -> tuple[set[str], list[tuple[str, str]]]:
    """Write those whose digest was never seen, and count what came in; no two entries may have the same digest.

    more: how often each has come again already. Answers the ids of those that are fresh, and the (tenant, source) of
    those whose router sleeps and must be woken.
    """
    texts = zip(*map(_texts, entries), strict=True)
    rows = await tx.fetch_sql(
        _KEEP,
        [one.digest for one in entries],
        [one.received_at for one in entries],
        [one.body for one in entries],
        [one.occurred_at for one in entries],
        *map(joined, texts),
        more,
        now,
    )
    kept = {row["id"] for row in rows if row["tenant_id"] is None}
    fresh = Counter([(one.tenant_id, one.source_id) for one in entries if one.id in kept])
    asleep = []
    for row in rows:
        key = (row["tenant_id"], row["id"])
        if fresh[key] and row["wanted"] - fresh[key] <= row["seen"]:
            asleep.append(key)
    return kept, asleep


def _texts(one: Entry) -> tuple[str, ...]:
    simulated = "" if not one.simulated else "rehearsed" if one.rehearsed else "simulated"
    return (
        one.tenant_id, one.id, one.source_id, one.provider, one.request_id, one.address, one.method, one.query,
        _JSON.encode(one.headers).decode(), _JSON.encode(one.verdict).decode(), one.topic, one.event, one.entity,
        one.account, one.object, simulated,
    )  # fmt: skip


async def mark_verified(tx: Tx, keys: Sequence[tuple[str, str]], now: datetime) -> None:
    """Note the first verified delivery of these (tenant, source)."""
    await tx.execute_sql(_FIRST, [key[0] for key in keys], [key[1] for key in keys], now)


async def refuse(tx: Tx, refusals: Sequence[Refusal], most: int) -> None:
    """Keep what was refused, at most so many per source."""
    names = ("tenant_id", "source_id", "id", "at", "reason", "message", "address", "headers", "body")
    await tx.execute_sql(_REFUSE, *([getattr(one, name) for one in refusals] for name in names))
    keys = sorted({(one.tenant_id, one.source_id) for one in refusals})
    await tx.execute_sql(_TRIM, [key[0] for key in keys], [key[1] for key in keys], most)


async def sweep(tx: Tx, *, refused: datetime, seen: datetime) -> bool:
    """Forget some of what is older than each of these; whether there may be more."""
    await tx.execute_sql(_SWEEP_REFUSED, refused)
    return await tx.execute_sql(_SWEEP_SEEN, seen) >= SWEPT
