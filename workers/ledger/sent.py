"""Batches whose message is sent: reserved by one beat, marked once sent, looked for again later.

``send_at`` says when a message is to be sent, or looked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workers.db import Driver, array, execute
from workers.settings import settings

#: Between the commit of a batch and the mark that it was sent, other beats leave it alone.
RESERVED = "interval '5 seconds'"


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says: which batch of which run, of what task, to which queue."""

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

RESERVE = f"""
with ready as materialized (
    select run_id, seq, state from batch
     where state in ('waiting', 'sent') and send_at <= %(now)s
     order by send_at limit %(limit)s for update skip locked
)
update batch b set send_at = %(now)s + {RESERVED}
  from ready join run r on r.id = ready.run_id
 where b.run_id = ready.run_id and b.seq = ready.seq
returning b.run_id::text, b.seq, b.fence, b.task, b.queue, b.priority, r.schedule,
          case when b.plain then {CALL} end, ready.state
"""  # noqa: S608 - a constant of our own


def reserve(connection: Driver, now: datetime, limit: int) -> tuple[list[Message], list[Message]]:
    """Reserve batches whose ``send_at`` has come: those to send, and those sent before."""
    fresh: list[Message] = []
    again: list[Message] = []
    for *message, state in connection.execute(RESERVE, {"now": now, "limit": limit}):
        (again if state == "sent" else fresh).append(Message(*message))
    return fresh, again


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


def mark(connection: Driver, messages: list[Message], max_wait: float) -> None:
    """The messages were sent; each is looked for later and later, at most ``max_wait`` seconds."""
    after = settings().resend_after_seconds
    connection.execute(MARK, {**_given(messages), "after": after, "max": max_wait})


UNRESERVE = f"update batch b set send_at = clock_timestamp() {_GIVEN}"  # noqa: S608


def unreserve(connection: Driver, messages: list[Message]) -> None:
    if messages:
        connection.execute(UNRESERVE, _given(messages))


LOOK_FOR_ALL = """
update batch b set send_at = %(now)s
  from (select run_id, seq from batch where state = 'sent' and send_at > %(now)s
           for no key update skip locked) sent
 where b.run_id = sent.run_id and b.seq = sent.seq
"""


def look_for_all(connection: Driver, now: datetime) -> None:
    """The broker may have lost messages: look for every one that no worker has taken."""
    execute(connection, LOOK_FOR_ALL, {"now": now})


NEXT_SEND = "select min(send_at) from batch where state in ('waiting', 'sent') and send_at is not null"


def _given(messages: list[Message]) -> dict[str, Any]:
    return {
        "ids": array([message.run_id for message in messages]),
        "seqs": array([message.seq for message in messages]),
        "fences": array([message.fence for message in messages]),
    }
