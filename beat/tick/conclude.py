"""Draws conclusions from runs that have ended: failures in a row, followers (`after`)."""

import time
from collections import defaultdict
from datetime import datetime
from typing import Any

import structlog

from beat.tick import run_counts, schedule_states
from beat.tick.claim import ClaimPlan
from beat.tick.context import TickContext
from beat.tick.reading import Row, lock_named
from workers import metrics
from workers.db import array
from workers.ledger import finished, stopped
from workers.ledger.sent import Message
from workers.text.words import count_words

log = structlog.stdlib.get_logger("beat.end")

#: Runs that nobody began in time are ended so many a tick: edits wait for its end.
EXPIRED_A_TICK = 200

FOLLOWERS = """
select after, name,
       enabled and coalesce(paused_until <= %(now)s, true) and coalesce(starts_at <= %(now)s, true)
       and coalesce(ends_at > %(now)s, true)
       and not coalesce((select paused from pause_switch where single), false)
  from schedule where after = any(%(names)s)
"""

EXISTING = "select name from schedule where name = any(%(names)s)"

#: By the schedule that they follow: names of followers, and whether each may start now.
Followers = dict[str, list[tuple[str, bool]]]


def conclude(context: TickContext) -> bool:
    """Count ended runs against their schedules and start what follows them.

    A run whose schedule, or a follower of it, is locked at the moment is left for the next time.
    """
    ended = finished.uncounted(context.connection, context.limit, context.marks.ended)
    if len(ended) < context.limit:
        context.concluded_at = time.monotonic()
    if not ended:
        return False
    names = sorted({run.schedule for run in ended if run.schedule is not None})
    with context.connection.transaction():
        followers, known = _related(context, names)
        wanted = known.union(*([name for name, _ in found] for found in followers.values()))
        rows, _ = lock_named(context.connection, sorted(wanted))
        locked = {row.name: row for row in rows}
        free = {
            name
            for name in names
            if (name not in known or name in locked)
            and all(follower in locked for follower, _ in followers[name])
        }
        ended = [run for run in ended if run.schedule is None or run.schedule in free]
        fresh = finished.count(context.connection, [run.id for run in ended])
        counted = [run for run in ended if run.id in fresh]
        ended = [run for run in counted if run.schedule in locked]
        _summarise(context, ended, locked)
        _count_failures(context, ended, locked)
        messages = _follow(context, ended, followers, locked)
        run_counts.add(context.connection, counted)
    _measure(counted)
    context.messages += messages
    return bool(messages)


def _summarise(context: TickContext, ended: list[Any], locked: dict[str, Row]) -> None:
    """Write how these schedules went into their states, which lists read."""
    if ended:
        names = sorted({run.schedule for run in ended})
        what = {"names": array(names), "places": array([locked[name].place for name in names])}
        context.connection.execute(schedule_states.SUMMARISE, what)


def _measure(runs: list[Any]) -> None:
    for run in runs:
        metrics.RUNS.labels(run.task, run.state).inc()
        if run.started_at is not None:
            duration = (run.finished_at - run.started_at).total_seconds()
            metrics.RUN_SECONDS.labels(run.task).observe(duration)


def _related(context: TickContext, names: list[str]) -> tuple[Followers, set[str]]:
    followers: Followers = defaultdict(list)
    parameters = {"names": names, "now": context.now}
    for leader, name, ready in context.connection.execute(FOLLOWERS, parameters):
        followers[leader].append((name, ready))
    return followers, {name for (name,) in context.connection.execute(EXISTING, parameters)}


def _count_failures(context: TickContext, ended: list[Any], locked: dict[str, Row]) -> None:
    failures: dict[str, int] = {}
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for run in ended:
        before = failures.get(run.schedule, locked[run.schedule].consecutive_failures)
        if run.failing:
            failures[run.schedule], last[run.schedule] = before + 1, run
            if before == 0:
                first[run.schedule] = run
        elif run.failing is not None and before:
            failures[run.schedule] = 0
    if not failures:
        return
    reasons: list[str | None] = []
    for name, number in failures.items():
        limit = locked[name].pause_after_failures
        if limit is None or number < limit or locked[name].tripped_at is not None:
            reasons.append(None)
            continue
        reason = f"{number} failed runs in a row, the last: {_reason(last[name])}"
        reasons.append(reason[:1000])
        log.warning("schedule.tripped", schedule=name, reason=reason)
    columns = {
        "names": array(failures),
        "failures": array(failures.values()),
        "sinces": array([first[name].finished_at if name in first else None for name in failures]),
        "reasons": array(reasons),
        "now": context.now,
    }
    context.connection.execute(schedule_states.SET_FAILURES, columns)


def _reason(run: Any) -> str:
    some = (
        f"{run.failed} of {count_words(run.total, 'item')} failed: " if run.state == "partial" else ""
    )
    return some + (run.error or "no reason kept")


def _may_follow(context: TickContext, row: Row, at: datetime) -> bool:
    """Whether ``row`` has not paused itself and ``at`` is in a trading time of its calendar."""
    if row.tripped_at is not None or row.kind is None:
        return False
    try:
        sessions = context.sessions(row.calendar)
    except ValueError:
        # None are known; its plan says so.
        return False
    if sessions is None:
        return True
    found = sessions.window(at, within_hours=row.calendar_hours == "session")
    return found is not None and found[0] <= at


def _follow(
    context: TickContext, ended: list[Any], followers: Followers, locked: dict[str, Row]
) -> list[Message]:
    times: dict[str, list[datetime]] = defaultdict(list)
    for run in ended:
        if run.state == "succeeded":
            for name, ready in followers.get(run.schedule, ()):
                if ready and _may_follow(context, locked[name], run.finished_at):
                    times[name].append(run.finished_at)
    if not times:
        return []
    claim = ClaimPlan(context)
    claim.count([locked[name] for name in times])
    for name, finished_at in times.items():
        claim.follow(locked[name], finished_at)
    return claim.write()


def stop(context: TickContext) -> bool:
    count = stopped.stop_requested(context.connection, context.limit)
    late = stopped.end_overdue(context.connection, context.now, context.limit, context.marks.deadline)
    return count + late > 0


def expire(context: TickContext) -> bool:
    """End runs that nobody began in time, whether or not a worker serves their queue."""
    ended = finished.expire_late(context.connection, context.now, EXPIRED_A_TICK, context.marks.expiry)
    return ended == EXPIRED_A_TICK
