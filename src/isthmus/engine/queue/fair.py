"""Which wake-ups a worker takes next: from each tenant in turn, and what kills its worker by itself (RL-04, RL-06).

pgqueuer takes the oldest first, so ten thousand wake-ups of one tenant stand before everybody else's. Here each look
walks over the tenants that have something to do, begins behind the one that was served last, and takes an equal share
of each. Bulk jobs, such as a shop's whole import, go last and never fill a process: some of its places stay free for
what is done in a moment and may not wait for hours, such as a stock push. A wake-up whose worker has died twice is
taken by an idle worker that takes nothing else beside it; after the third death it is parked, and so is whatever else
wakes the same object, until somebody sends it again.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from isthmus.engine.queue.port import plain

if TYPE_CHECKING:
    from pgqueuer.adapters.persistence.composer import ComposedQuery
    from pgqueuer.adapters.persistence.qb import QueryQueueBuilder
    from pgqueuer.domain.settings import DBSettings
    from pgqueuer.domain.types import QueueEntrypoint, QueueManagerId

#: Nothing is deleted here: the library's trigger tells of every deleting statement, of none of whose rows there may be,
#: and every worker that hears of it would look again at once, and so for ever.
#: $1 batch, $2 jobs, $3 this worker, $4 heartbeat, $5 most at once or null, $6 the tenant that was served last,
#: $7 the jobs whose objects count their deaths themselves, and know whether they got on in between, $8 the bulk jobs,
#: $9 how many of them this worker may do at once.
_TAKE: Final = """
with recursive room as (
  select count(*) as total,
    case when coalesce(bool_or(deaths >= 2), false) then 0
         else greatest(least($1::bigint, coalesce($5::bigint, $1) - count(*)), 0) end as free,
    greatest($9::bigint - count(*) filter (where entrypoint = any($8::text[])), 0) as bulk
  from queue.pgqueuer where queue_manager_id = $3::uuid and status = 'picked'
), turn as (
  select e.job, n.tenant_id, n.again, 1 as place
  from unnest($2::text[]) as e (job) cross join lateral (
    (select q.tenant_id, false as again from queue.pgqueuer q
     where q.status = 'queued' and q.entrypoint = e.job and q.tenant_id > $6::text and q.execute_after < now()
     order by q.tenant_id limit 1)
    union all
    (select q.tenant_id, true from queue.pgqueuer q
     where q.status = 'queued' and q.entrypoint = e.job and q.tenant_id <= $6 and q.execute_after < now()
     order by q.tenant_id limit 1)
    order by again limit 1) n
  union all
  select t.job, n.tenant_id, n.again, t.place + 1
  from turn t cross join lateral (
    (select q.tenant_id, false as again from queue.pgqueuer q
     where not t.again and q.status = 'queued' and q.entrypoint = t.job and q.tenant_id > t.tenant_id
       and q.execute_after < now()
     order by q.tenant_id limit 1)
    union all
    (select q.tenant_id, true from queue.pgqueuer q
     where q.status = 'queued' and q.entrypoint = t.job and q.tenant_id <= $6
       and (not t.again or q.tenant_id > t.tenant_id) and q.execute_after < now()
     order by q.tenant_id limit 1)
    order by again limit 1) n
  where t.place < $1
), share as (
  select ceil($1::float8 / greatest(count(*), 1))::int as each from turn
), fresh as (
  select c.id, c.priority, t.place, t.job = any($8) as bulk,
    row_number() over (partition by t.job, t.tenant_id order by c.priority desc, c.id) as nth
  from turn t cross join lateral (
    select q.id, q.priority from queue.pgqueuer q
    where q.status = 'queued' and q.entrypoint = t.job and q.tenant_id = t.tenant_id and q.execute_after < now()
    order by q.priority desc, q.id limit (select each from share) for update skip locked) c
  where (select free from room) > 0
), stale as (
  select q.id, q.priority, q.deaths + case when q.entrypoint = any($7::text[]) then 0 else 1 end as deaths,
    q.entrypoint, q.payload
  from queue.pgqueuer q
  where q.status = 'picked' and q.entrypoint = any($2) and q.heartbeat < now() - $4::interval
    and q.execute_after < now() and (select free from room) > 0
  order by q.priority desc, q.id limit $1 for update skip locked
), dead as (
  update queue.pgqueuer q
  set status = 'failed', deaths = s.deaths, updated = now(), queue_manager_id = null, held_until = null,
    reason = 'its worker died 3 times'
  from stale s where q.id = s.id and s.deaths >= 3
), found as (
  select id, priority, nth, place, bulk from fresh
  union all
  select id, priority, 0, 0, entrypoint = any($8) from stale where deaths < 2
), alone as (
  select id, priority, 0 as place, 0::bigint as nth, false as bulk from stale
  where deaths >= 2 and deaths < 3 and (select total from room) = 0 order by id limit 1
), taken as (
  select id, nth, place, bulk from alone
  union all
  (select id, nth, place, bulk from (
     select id, priority, nth, place, bulk,
       row_number() over (partition by bulk order by priority desc, nth, place) as turn
     from found) each
   where not exists (select from alone) and (not bulk or turn <= (select bulk from room))
   order by bulk, priority desc, nth, place limit (select free from room))
), held as (
  select q.id from queue.pgqueuer q join taken t on t.id = q.id
  where exists (
    select from queue.pgqueuer p
    where p.status = 'failed' and p.entrypoint = q.entrypoint and p.payload = q.payload
      and (p.held_until is null or p.held_until > now()))
), swallowed as (
  update queue.pgqueuer q set status = 'deleted', updated = now() from held h where q.id = h.id
), claimed as (
  update queue.pgqueuer q
  set status = 'picked', updated = now(), heartbeat = now(), queue_manager_id = $3,
    deaths = coalesce(s.deaths, q.deaths)
  from taken t left join stale s on s.id = t.id
  where q.id = t.id and not exists (select from held h where h.id = t.id)
  returning q.*, t.nth, t.place, t.bulk
), noted as (
  insert into queue.pgqueuer_log (job_id, status, entrypoint, priority)
  select id, status, entrypoint, priority from claimed
)
select id, priority, created, updated, heartbeat, execute_after, status, entrypoint, payload, attempts,
  queue_manager_id, slot, headers
from claimed order by bulk, priority desc, nth, place
"""


class Turn:
    """Who was served last by this worker, and which jobs are its own, are bulk, or count their deaths themselves."""

    def __init__(self, bulk_places: int) -> None:
        self.after = ""
        self.uncounted: set[str] = set()
        self.bulk: set[str] = set()
        self.bulk_places = bulk_places
        #: Addresses whose wake-ups were taken here, and are for others now.
        self.silent: set[str] = set()


def builder(names: "DBSettings", turn: Turn) -> "QueryQueueBuilder":
    """pgqueuer's statements with ours for taking."""
    # The library takes a fifth of a second to import, and only a process that works needs it.
    from pgqueuer.adapters.persistence import composer, qb  # noqa: PLC0415 - see above

    class Fair(qb.QueryQueueBuilder):
        """Takes from each tenant in turn."""

        def build_dequeue_query(
            self,
            *,
            batch_size: int,
            entrypoints: "list[QueueEntrypoint]",
            concurrency_limits: list[int],  # noqa: ARG002 - none of our jobs has one
            queue_manager_id: "QueueManagerId",
            global_concurrency_limit: int | None,
            heartbeat_timeout: timedelta,
        ) -> "ComposedQuery":
            jobs = [job for job in entrypoints if job not in turn.silent]
            given = (batch_size, jobs, queue_manager_id, heartbeat_timeout, global_concurrency_limit)
            uncounted = [job for job in jobs if plain(job) in turn.uncounted]
            ours = (turn.after, uncounted, sorted(turn.bulk), turn.bulk_places)
            return composer.ComposedQuery(sql=_TAKE, args=(*given, *ours))

    return Fair(settings=names)
