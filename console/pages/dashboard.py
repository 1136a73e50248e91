"""The first page: how it stands, what runs, what is next, what went wrong."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import Response

from console.access import Visit
from console.pages import layout, system
from console.queries import runs, strip

router = APIRouter()

_TOTALS = text("""
select count(*) as total, count(*) filter (where enabled) as enabled,
       count(*) filter (where enabled and paused_until > clock_timestamp()) as paused
  from schedule
""")
_TODAY = text("""
select coalesce(sum(number) filter (where state = 'succeeded'), 0) as succeeded,
       coalesce(sum(number) filter (where state = 'partial'), 0) as partial,
       coalesce(sum(number) filter (where state = 'failed'), 0) as failed,
       coalesce(sum(number) filter (where state in ('succeeded', 'partial', 'failed')), 0) as ended,
       date_trunc('day', clock_timestamp() at time zone 'UTC') as day
  from run_count where day = (clock_timestamp() at time zone 'UTC')::date
""")
_NEXT = text("""
select s.name, s.title, st.next_run_at, schedule_words(s) as words
  from (select schedule, next_run_at, claim_at from schedule_state
         where claim_at is not null order by claim_at limit 8) st
  join schedule s on s.name = st.schedule order by st.claim_at
""")


@router.get("/")
def dashboard(visit: Visit) -> Response:
    connection = visit.connection
    return layout.page(
        visit,
        "dashboard.html",
        totals=connection.execute(_TOTALS).mappings().one(),
        today=connection.execute(_TODAY).mappings().one(),
        wrong=[{**one, "link": system.link_of(one)} for one in strip.trouble(connection)[:8]],
        active=runs.listed(connection, runs.Filter(state="active"), 8),
        problems=runs.listed(connection, runs.Filter(state="problem"), 8),
        due=layout.dicts(connection.execute(_NEXT)),
    )
