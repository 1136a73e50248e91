"""Batches that are announced: by a doorbell of their queue, or by a message of their own.

``sent`` means announced.  A doorbell says only that a queue has batches that are ready: such a batch
has ``sends`` 0, and ``send_at`` says since when it is ready.  A batch whose queue a worker of an older
release serves has a message of its own: ``sends`` counts them, ``send_at`` says when it is looked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from workers.db import Driver, execute
from workers.ledger.renewed import keys
from workers.settings import settings


@dataclass(frozen=True, slots=True)
class Message:
    """A batch to announce: of which run, of what task, in which queue."""

    run_id: str
    seq: int
    fence: int
    task: str
    queue: str
    priority: int
    schedule: str | None
    #: A plain task's own arguments, as JSON; None: a kind, which reads them in the ledger.
    call: str | None = None


#: What the message of a plain task of run ``r`` says.
CALL = """
jsonb_build_object('options', r.options, 'retries', b.retries,
                   'timeout', extract(epoch from r.timeout))::text
"""

#: When a message of its own is looked for first.
LOOKED_FOR_AFTER = "%(after)s * interval '1 second'"

#: Between the look for a message and what becomes of it, other beats leave its batch alone.
RESERVED = "interval '5 seconds'"

#: What is to be announced, or looked for: `batch_to_send` is its index.
TO_SEND = "(state = 'waiting' or state = 'sent' and sends > 0)"

#: A batch of a plain task has a message of its own.
ANNOUNCE = f"""
with ready as materialized (
    select run_id, seq from batch
     where (state = 'waiting' or state = 'sent' and sends > 0) and state = 'waiting'
       and send_at <= %(now)s and send_at >= coalesce(%(low)s::timestamptz, '-infinity')
     order by send_at limit %(limit)s for no key update skip locked
)
update batch b
   set state = 'sent', sends = b.plain::int,
       send_at = case when b.plain then %(now)s + {LOOKED_FOR_AFTER} else b.send_at end,
       updated_at = clock_timestamp()
  from ready join run r on r.id = ready.run_id
 where b.run_id = ready.run_id and b.seq = ready.seq
returning b.run_id::text, b.seq, b.fence, b.task, b.queue, b.priority, r.schedule,
          case when b.plain then {CALL} end
"""  # noqa: S608 - constants of our own

LOOKED_FOR = f"""
with ready as materialized (
    select run_id, seq from batch
     where (state = 'waiting' or state = 'sent' and sends > 0) and state = 'sent'
       and send_at <= %(now)s and send_at >= coalesce(%(low)s::timestamptz, '-infinity')
     order by send_at limit %(limit)s for no key update skip locked
)
update batch b set send_at = %(now)s + {RESERVED}
  from ready join run r on r.id = ready.run_id
 where b.run_id = ready.run_id and b.seq = ready.seq
returning b.run_id::text, b.seq, b.fence, b.task, b.queue, b.priority, r.schedule,
          case when b.plain then {CALL} end
"""  # noqa: S608


def after() -> dict[str, float]:
    return {"after": settings().resend_after_seconds}


def announce(
    connection: Driver, now: datetime, limit: int, low: datetime | None = None
) -> list[Message]:
    """Mark as announced what is ready: before the doorbell, so that whoever hears it finds it.

    ``low``: nothing was ready since before that.
    """
    what = {"now": now, "limit": limit, "low": low, **after()}
    return [Message(*row) for row in connection.execute(ANNOUNCE, what)]


def look_for(
    connection: Driver, now: datetime, limit: int, low: datetime | None = None
) -> list[Message]:
    """Batches whose own message is to be looked for now."""
    what = {"now": now, "limit": limit, "low": low}
    return [Message(*row) for row in connection.execute(LOOKED_FOR, what)]


#: By key: the state is written so that no index of states is read for it, however small it looks.
#: Whoever holds a batch now claims, ends or changes it, and is not waited for: a deadlock with those
#: who come for the batches of many runs would be a matter of time.
_GIVEN = """
  from (select b.run_id, b.seq
          from unnest(%(ids)s::uuid[], %(seqs)s::int[], %(fences)s::int[]) as m(run_id, seq, fence)
          join batch b on b.run_id = m.run_id and b.seq = m.seq and b.fence = m.fence
         where b.state || '' in ('waiting', 'sent')
           for no key update of b skip locked) given
 where b.run_id = given.run_id and b.seq = given.seq
"""

MARK = f"""
update batch b
   set state = 'sent', sends = least(b.sends + 1, 30), updated_at = clock_timestamp(),
       send_at = clock_timestamp()
                 + least(%(after)s * power(2, least(b.sends, 10)), greatest(%(after)s, %(max)s))
                   * interval '1 second'
{_GIVEN}"""  # noqa: S608


def mark(connection: Driver, messages: Sequence[Message], max_wait: float) -> None:
    """Each was sent a message of its own, looked for later and later (at most ``max_wait`` seconds)."""
    connection.execute(MARK, {**keys(messages), **after(), "max": max_wait})


TAKE_BACK = f"""
update batch b set state = 'waiting', sends = 0, send_at = clock_timestamp() {_GIVEN}"""  # noqa: S608


def take_back(connection: Driver, messages: Sequence[Message]) -> None:
    """Nothing could be announced: the batches wait for whoever reaches the broker first."""
    if messages:
        connection.execute(TAKE_BACK, keys(messages))


LOOK_FOR_ALL = """
update batch b set send_at = %(now)s
  from (select run_id, seq from batch where state = 'sent' and sends > 0 and send_at > %(now)s
           for no key update skip locked) sent
 where b.run_id = sent.run_id and b.seq = sent.seq
"""


def look_for_all(connection: Driver, now: datetime) -> None:
    """The broker may have lost messages: look for every one that no worker has taken."""
    execute(connection, LOOK_FOR_ALL, {"now": now})


NEXT_SEND = f"""
select min(send_at) from batch
 where {TO_SEND} and send_at >= coalesce(%(low_send)s::timestamptz, '-infinity')
"""  # noqa: S608

#: Whether a batch that was announced long ago (before ``old``) has not been taken.
IS_LEFT = """
exists (select from batch where state = 'sent' and sends = 0 and send_at <= {old}
                            and send_at >= coalesce(%(low_left)s::timestamptz, '-infinity'))
"""

#: Queues in which an announced batch has waited for long.  Queue, task and priority are found by
#: skipping from one to the next in the index `batch_ready`, which holds the oldest of each first.
LEFT = """
with recursive served as (
    (select queue, task, priority from batch where state = 'sent'
      order by queue, task, priority desc limit 1)
    union all
    select next.queue, next.task, next.priority
      from served cross join lateral (
           (select 1 as place, queue, task, priority from batch
             where state = 'sent' and queue = served.queue and task = served.task
               and priority < served.priority
             order by priority desc limit 1)
           union all
           (select 2, queue, task, priority from batch
             where state = 'sent' and (queue, task) > (served.queue, served.task)
             order by queue, task, priority desc limit 1)
           order by place limit 1) next
)
select served.queue, max(served.priority)
  from served cross join lateral (
       select from batch
        where state = 'sent' and queue = served.queue and task = served.task
          and priority = served.priority and sends = 0 and send_at <= %(before)s
        order by send_at limit 1) oldest
 group by served.queue
"""


def left(connection: Driver, before: datetime) -> dict[str, int]:
    """Queues with batches announced by a doorbell before that nobody has taken; with a priority."""
    return dict(execute(connection, LEFT, {"before": before}).fetchall())


LEFT_IN = """
select b.run_id::text, b.seq, b.fence, b.task, b.queue, b.priority, r.schedule
  from batch b join run r on r.id = b.run_id
 where b.state = 'sent' and b.queue = any(%(queues)s) and b.sends = 0 and b.send_at <= %(before)s
 limit %(limit)s
"""


def left_in(connection: Driver, queues: Sequence[str], before: datetime, limit: int) -> list[Message]:
    """The same, batch by batch, of queues whose workers know no doorbells."""
    what = {"queues": list(queues), "before": before, "limit": limit}
    return [Message(*row) for row in connection.execute(LEFT_IN, what)]
