"""Matches of rules, channels with a test, and the outbox with the reason of each wait."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import RedirectResponse, Response

from console.access import Visit
from console.pages import layout
from console.queries.runs import pattern
from console.refusals import Refused, attempt, refuse
from tasks.watches import notices
from tasks.watches.registry import by_subject

router = APIRouter()
PAGE = 50
STATES = ("waiting", "sending", "sent", "dead")

_CHANNELS = text("""
select c.name, c.kind, c.target, c.max_per_hour, c.incidents, c.enabled, c.note, room.used,
       room.gathers,
       case when room.free_at > clock_timestamp() then room.free_at end as free_at,
       (select count(*) from (select from notice n where n.channel = c.name
              and n.state in ('waiting', 'sending') limit 1000) w)
           as waiting, last.state as last_state, last.answer, last.sent_at, last.created_at
  from channel c cross join lateral channel_room(c.name) room
  left join lateral (select * from notice n where n.channel = c.name
         and n.state <> 'waiting' order by n.id desc limit 1) last on true
 order by c.name
""")
_OUTBOX = text("""
select n.id, n.channel, n.state, coalesce(m.title, n.content ->> 'title') as what, m.rule,
       m.occasion, m.id as match_id,
       n.attempts, n.answer, n.created_at, n.sent_at, n.not_before, c.enabled, u.blocked_until,
              room.free_at
  from (select * from notice where (cast(:state as text) is null or state = :state)
           and (cast(:channel as text) is null or channel = :channel) and (cast(:before
                  as bigint) is null or id < :before)
         order by id desc limit :limit) n
  join channel c on c.name = n.channel
  left join match m on m.id = n.match_id
  left join upstream_state u on u.upstream = c.upstream and u.blocked_until > clock_timestamp()
  left join lateral (select case when r.free_at > clock_timestamp() then r.free_at end
         as free_at from channel_room(c.name) r
                      where n.state = 'waiting') room on true
 order by n.id desc
""")
_MATCHES = text("""
select id, rule, subject, subject_id as key, occasion, title, matched_at, run_id,
       (select count(*) from notice where match_id = match.id) as notices
  from match
 where (cast(:rule as text) is null or rule = :rule) and (cast(:q as text) is null or title ilike :q)
   and (cast(:before as bigint) is null or id < :before)
 order by id desc limit :limit
""")


@router.get("/channels")
def channels(visit: Visit, tested: str = "") -> Response:
    rows = layout.dicts(visit.connection.execute(_CHANNELS))
    return layout.page(visit, "channels.html", rows=rows, tested=tested, refusal=None)


@router.post("/channels/{name}/test")
def test(visit: Visit, name: str) -> Response:
    """A test message, sent as every notice is; its answer appears in the outbox."""
    try:
        with attempt(visit.connection):
            visit.connection.execute(text("select id from send_test(:name)"), {"name": name})
    except Refused as refused:
        rows = layout.dicts(visit.connection.execute(_CHANNELS))
        refusal = refused.refusal
        return layout.page(
            visit, "channels.html", refusal.status, rows=rows, tested="", refusal=refusal
        )
    return RedirectResponse(f"/outbox?channel={name}", 303)


@router.get("/outbox")
def outbox(visit: Visit, state: str = "", channel: str = "", before: int | None = None) -> Response:
    given = {"state": state or None, "channel": channel or None, "before": before, "limit": PAGE + 1}
    rows = layout.dicts(visit.connection.execute(_OUTBOX, given))
    more = rows[PAGE - 1]["id"] if len(rows) > PAGE else None
    given = {"state": state, "channel": channel}
    return layout.page(visit, "outbox.html", rows=rows[:PAGE], given=given, more=more, states=STATES)


@router.post("/outbox/{number}/resend")
def resend(visit: Visit, number: int) -> Response:
    """Try a notice once more that was given up."""
    with attempt(visit.connection):
        if not notices.resend(visit.connection, number):
            raise refuse(404, f"notice {number} was not given up")
    return RedirectResponse("/outbox", 303)


@router.get("/matches")
def matches(visit: Visit, rule: str = "", q: str = "", before: int | None = None) -> Response:
    given = {"rule": rule or None, "q": pattern(q) if q else None, "before": before, "limit": PAGE + 1}
    rows = layout.dicts(visit.connection.execute(_MATCHES, given))
    more = rows[PAGE - 1]["id"] if len(rows) > PAGE else None
    slugs = {subject: layout.slug(watch) for subject, watch in by_subject().items()}
    return layout.page(visit, "matches.html", rows=rows[:PAGE], rule=rule, q=q, more=more, slugs=slugs)
