"""What must hold whatever happened: the ledger's rows and the upstreams' own logs are the witnesses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import sqlalchemy.exc

from tests.support.chaos import plain_promises
from tests.support.chaos.call_limits import arrivals, day, judged, paid, windows
from tests.support.chaos.cluster import Cluster
from tests.support.chaos.plan import SCHEDULES, UPSTREAMS, WATCHED

#: Names of what SQLAlchemy and psycopg raise.
DATABASE_ERRORS = {
    one.__name__
    for module in (sqlalchemy.exc, psycopg.errors)
    for one in vars(module).values()
    if isinstance(one, type) and issubclass(one, (sqlalchemy.exc.SQLAlchemyError, psycopg.Error))
}
Rows = list[dict[str, Any]]
#: A run may outlive its timeout by so much, besides the time that Postgres was away: beats may be down
#: (seconds).
GRACE = 18
#: A batch that was sent is taken by a worker or sent again within this (seconds).
FORGOTTEN = 75

ITEMS = """
select b.run_id, b.seq, b.state as batch, b.error as why, i ->> 'key' as item, i ->> 'state' as state,
       i ->> 'error' as error, r.task
  from batch b join run r on r.id = b.run_id cross join jsonb_array_elements(b.items) i
"""
#: Runs that began, in the order in which they were made: their items as planned, and those deferred.
PLANS = """
select r.id, r.schedule,
       coalesce(array_agg(i ->> 'key' order by b.seq, n) filter (where i is not null), '{}') as planned,
       coalesce(array_agg(i ->> 'key') filter (where i ->> 'state' = 'deferred'), '{}') as deferred
  from run r join batch b on b.run_id = r.id
  left join lateral jsonb_array_elements(b.items) with ordinality as item(i, n) on true
 where r.started_at is not null and r.schedule is not null and r.task like 'chaos.%'
 group by r.id order by r.created_at
"""


def once(_: Cluster, sql: Any) -> Iterator[str]:
    """Every item's row is written once at most."""
    for row in sql.execute(
        "select run_id, item, count(*) as n, array_agg(at::text) as at from effect group by 1, 2 having count(*) > 1"
    ):
        yield f"run {row['run_id']} item {row['item']} was done {row['n']} times: {row['at']}"


def overlaps(_: Cluster, sql: Any) -> Iterator[str]:
    """No two runs of a schedule that forbids it were active at once."""
    for row in sql.execute(
        "select a.schedule, a.id as first, b.id as second from run a join run b"
        "    on a.schedule = b.schedule and a.id <> b.id and a.started_at < b.started_at"
        "   and coalesce(a.finished_at, 'infinity') > b.started_at"
        " join schedule s on s.name = a.schedule where s.overlap <> 'allow_all'"
    ):
        yield f"{row['schedule']}: run {row['second']} began while {row['first']} ran"


def timely(cluster: Cluster, sql: Any) -> Iterator[str]:
    """No run outlives its timeout by long."""
    for row in sql.execute(
        "select id, schedule, timeout, extract(epoch from timeout)::float8 as allowed,"
        "       extract(epoch from started_at)::float8 as began,"
        "       extract(epoch from coalesce(finished_at, clock_timestamp()))::float8 as ended"
        "  from run where started_at is not null"
        "   and coalesce(finished_at, clock_timestamp()) - started_at > timeout + %s * interval '1 second'",
        (GRACE,),
    ):
        began, ended = row["began"], row["ended"]
        away = sum(max(0.0, min(ended, until) - max(began, since)) for since, until in cluster.outages)
        if ended - began > row["allowed"] + away + GRACE:
            yield (
                f"{row['schedule']} {row['id']}: took {ended - began:.1f} s, {away:.1f} of them without Postgres,"
                f" its timeout is {row['timeout']}"
            )


def robbed(cluster: Cluster, sql: Any) -> Iterator[str]:
    """No batch was taken from a worker that lived and was awake."""
    for row in sql.execute(
        "select d.*, r.schedule, extract(epoch from d.at)::float8 as t,"
        "       extract(epoch from d.since)::float8 as taken from chaos_death d join run r on r.id = d.run_id"
    ):
        away = cluster.was_hurt(row["worker"], row["taken"], row["t"])
        if not away and row["schedule"] != "hangs":
            yield f"batch {row['run_id']}/{row['seq']} was taken from {row['worker']}, which lived, at {row['at']}"


def claimed(_: Cluster, sql: Any) -> Iterator[str]:
    """A batch is taken only while it waits, and never more of a run at once than it may have."""
    for row in sql.execute("select * from chaos_claim"):
        yield f"batch {row['run_id']}/{row['seq']} {row['what']} at {row['at']}"


def known(_: Cluster, sql: Any) -> Iterator[str]:
    """No message is about a run that the ledger does not know."""
    for row in sql.execute("select * from chaos_stranger"):
        yield f"a message about run {row['run_id']}/{row['seq']} came at {row['at']}"


def spaced(_: Cluster, sql: Any) -> Iterator[str]:
    """Two batches of a run begin no sooner after each other than its batch_delay."""
    for row in sql.execute(
        "select * from (select r.id, seq, r.batch_delay, b.started_at"
        "                      - lag(b.started_at) over (partition by r.id order by b.started_at) as apart"
        "                 from run r join batch b on b.run_id = r.id"
        "                where r.batch_delay is not null and b.seq > 0 and b.started_at is not null) starts"
        " where apart < batch_delay"
    ):
        yield f"batch {row['id']}/{row['seq']} began {row['apart']} after another (delay {row['batch_delay']})"


def blameless(_: Cluster, sql: Any) -> Iterator[str]:
    """The database's troubles end no item: none names an error of it."""
    for row in sql.execute(f"select * from ({ITEMS}) items where error is not null"):
        if names := DATABASE_ERRORS.intersection(re.findall(r"\w+", row["error"])):
            yield f"run {row['run_id']} item {row['item']} is {row['state']}: {names} in {row['error']}"


def deferred_first(_: Cluster, sql: Any) -> Iterator[str]:
    """What a run had to leave, the schedule's next run does first."""
    left: dict[str, set[str]] = {}
    for row in sql.execute(PLANS):
        planned, first = row["planned"], left.get(row["schedule"], set())
        if planned and set(planned[: len(first)]) != first:
            yield f"run {row['id']} of {row['schedule']} begins with {planned[:4]}, left were {sorted(first)}"
        left[row["schedule"]] = set(row["deferred"])


def moving(_: Cluster, sql: Any) -> Iterator[str]:
    """What could run now is not forgotten."""
    for row in sql.execute(
        "select run_id, seq, state, clock_timestamp() - updated_at as since from batch"
        " where state in ('waiting', 'sent') and waiting_for is null and sends <= 3 and send_at <= clock_timestamp()"
        "   and updated_at < clock_timestamp() - %s * interval '1 second'", (FORGOTTEN,)
    ):  # fmt: skip
        yield f"batch {row['run_id']}/{row['seq']} is {row['state']} since {row['since']}"


def deadlocked(cluster: Cluster, _: Any) -> Iterator[str]:
    """Locks are taken in one order everywhere."""
    cluster.note_deadlocks()
    if cluster.deadlocks:
        # Both statements, as Postgres wrote them in its log.
        said = (cluster.folder / "postgres" / "postgres.log").read_text(errors="replace")
        yield f"{cluster.deadlocks} deadlocks: {said.partition('deadlock detected')[2][:4000]}"


def grid(_: Cluster, sql: Any) -> Iterator[str]:
    """Every due time has one run, or one row that covers it: nothing left out, nothing twice."""
    for name, every, *_rest in SCHEDULES:
        expected = None
        for row in sql.execute(
            "select extract(epoch from coalesce(covers_from, due_at))::float8 as begin,"
            "       extract(epoch from due_at)::float8 as due, covers_count as n, state from run"
            " where schedule = %s and trigger = 'schedule' order by due_at", (name,)
        ):  # fmt: skip
            if expected is not None and abs(row["begin"] - expected) > 0.001:
                yield f"{name}: a row begins at {row['begin']}, expected {expected}"
            if abs((row["due"] - row["begin"]) / every + 1 - row["n"]) > 0.001:
                yield f"{name}: a row covers {row['n']} due times from {row['begin']} to {row['due']}"
            expected = row["due"] + every


def ended(_: Cluster, sql: Any) -> Iterator[str]:
    """Nothing is left running, waiting, or unanswered."""
    for what, query in {
        "run": "select id::text || ' of ' || schedule || ' is ' || state as it from run where finished_at is null",
        "batch": "select run_id || '/' || seq || ' is ' || state as it from batch"
                 " where state in ('waiting', 'sent', 'running')",
        "request": "select action || ' ' || id as it from run_request where answered_at is null",
        "count": "select id || ' counts ' || open_batches || ' open batches' as it from run where open_batches <> 0",
        "sum": "select id || ': ' || total || ' items, ' || done || ' + ' || failed || ' + ' || deferred as it"
               " from run where state in ('succeeded', 'partial', 'failed') and total <> done + failed + deferred",
        "success": "select id || ': ' || done || ' of ' || total as it from run where state = 'succeeded' and done <> total",
    }.items():  # fmt: skip
        for row in sql.execute(query):
            yield f"{what} {row['it']}"


def items(_: Cluster, sql: Any) -> Iterator[str]:
    """Every item is done, and has its row; or failed with a reason; or deferred; or its batch says why not."""
    done = Counter((r["run_id"], r["item"]) for r in sql.execute("select run_id, item from effect"))
    for row in sql.execute(f"select * from ({ITEMS}) items where task like 'chaos.%'"):
        key = (row["run_id"], row["item"])
        where = f"run {row['run_id']} batch {row['seq']} item {row['item']}"
        if row["state"] == "done" and not done[key]:
            yield f"{where} is done and has no row"
        elif row["state"] != "done" and done[key]:
            yield f"{where} is {row['state']} and has a row"
        elif row["state"] == "failed" and not row["error"]:
            yield f"{where} failed without a reason"
        elif row["state"] in {None, "waiting"} and (row["batch"] == "done" or not row["why"]):
            yield f"{where} was left, its batch is {row['batch']}"


def scraped(_: Cluster, sql: Any) -> Iterator[str]:
    """A category that a scrape has done has its row, which says how; a token is kept once a run."""
    for row in sql.execute(
        "select b.run_id, i ->> 'key' as category, s.state from batch b"
        "  join run r on r.id = b.run_id and r.task = 'tasks.listings.scrape'"
        " cross join jsonb_array_elements(b.items) i"
        "  left join scrape s on s.run_id = b.run_id and s.category_id = (i -> 'data' ->> 'category')::bigint"
        " where i ->> 'state' = 'done' and (s.state is null or s.state = 'running')"
    ):
        yield f"scrape {row['run_id']}: category {row['category']} is done, its row is {row['state']}"


Promise = Callable[[Cluster, Any], Iterator[str]]
#: Also true in the middle of everything.
ALWAYS: tuple[Promise, ...] = (
    windows, judged, day, paid, once, overlaps, timely, robbed, claimed, known, spaced, deferred_first,
    blameless, moving, deadlocked, grid, *plain_promises.ALWAYS,
)  # fmt: skip
#: True when all is quiet.
AT_REST: tuple[Promise, ...] = (ended, items, scraped, *plain_promises.AT_REST)


def broken(cluster: Cluster, promises: tuple[Promise, ...]) -> dict[str, list[str]]:
    """The promises that do not hold, with what was seen."""
    found = {}
    with cluster.sql() as sql:
        for promise in promises:
            seen = list(promise(cluster, sql))
            if seen:
                found[promise.__name__] = seen[:5]
    return found


def figures(cluster: Cluster) -> dict[str, Any]:
    """What was done meanwhile."""
    calls = {name: arrivals(cluster, name) for name in UPSTREAMS}
    served = Counter(row["path"] for rows in calls.values() for row in rows if row["status"] == 200)
    with cluster.sql() as sql:
        states = sql.execute("select state, count(*) as n from run group by 1 order by 1").fetchall()
        counts = sql.execute(
            "select count(*) as items, (select count(*) from chaos_death) as rescues,"
            " (select count(*) from batch where error like 'set aside%') as poisoned,"
            " (select coalesce(sum(deferred), 0) from run) as deferred from effect"
        ).fetchone()
    return {
        "runs": {row["state"]: row["n"] for row in states},
        **(counts or {}),
        "plain": plain_promises.figures(cluster),
        "calls": {name: len(rows) for name, rows in calls.items()},
        "watched": {name: len(arrivals(cluster, name)) for name in WATCHED},
        "calls_repeated": sum(served.values()) - len(served),
    }
