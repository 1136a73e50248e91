"""`tasks.watches.digest`: one message about the last day, when anything happened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, text

from tasks.watches import notices, registry
from workers.execution import NOTICES_QUEUE, Work, app, count_words
from workers.ledger import Options

#: Runs of these tasks are not counted.
_OURS = "tasks.watches.%"


class DigestOptions(Options):
    """How far back it looks."""

    hours: int = Field(24, ge=1, le=168, description="Looks back so many hours")


_RUNS = text("""
select count(*) filter (where state = 'succeeded') as good,
       count(*) filter (where state = 'partial') as partial,
       count(*) filter (where state = 'failed') as failed,
       count(*) filter (where state in ('missed', 'expired')) as missed,
       count(*) filter (where trigger = 'schedule'
                          and started_at > due_at + interval '5 minutes') as late
  from run
 where finished_at > clock_timestamp() - :span and task not like :ours
""")
_NEW = text("""
select split_part(task, '.', 2) as domain, sum((result -> 'counts' ->> 'new')::int) as new from run
 where finished_at > clock_timestamp() - :span and task like 'tasks.%' group by 1
""")
_FAILED = text("""
select coalesce(schedule, task) || ': ' || coalesce(max(error), 'no reason kept') as line from run
 where state = 'failed' and finished_at > clock_timestamp() - :span
 group by schedule, task order by 1 limit 10
""")
_PARTIAL = text("""
select coalesce(schedule, task) || ': ' || sum(failed) || ' of ' || sum(total) || ' items failed'
       || case when sum(deferred) > 0 then ', ' || sum(deferred) || ' deferred' else '' end
       || coalesce(': ' || max(error), '') as line from run
 where state = 'partial' and finished_at > clock_timestamp() - :span
 group by schedule, task order by 1 limit 10
""")
_MATCHES = text("""
select m.rule || ': ' || m.title || coalesce(' ' || (m.facts ->> 'url'), '') as line from match m
 where matched_at > clock_timestamp() - :span order by matched_at desc limit 10
""")
_CHANGES = text("""
select schedule || ': ' || action || ' by ' || changed_by as line from schedule_change
 where changed_at > clock_timestamp() - :span order by id desc limit 10
""")
_QUOTAS = text("""
select upstream || ': ' || used || ' of ' || allowed || ' per ' || per as line from quota_status
 where per_interval >= interval '1 hour' and used > 0 order by 1
""")


def composed(connection: Connection, span: timedelta) -> str | None:
    at = {"span": span}
    runs = connection.execute(_RUNS, {**at, "ours": _OURS}).one()
    parts = [
        (title, list(connection.execute(query, at if query is not _QUOTAS else {}).scalars()))
        for title, query in (
            ("Failed", _FAILED), ("Partial", _PARTIAL), ("Matches", _MATCHES),
            ("Quota used", _QUOTAS), ("Changes", _CHANGES),
        )
    ]  # fmt: skip
    if not any((runs.good, runs.partial, runs.failed, runs.missed)) and not any(
        lines for _, lines in parts
    ):
        return None
    head = (
        f"{count_words(runs.good, 'run')} well, {runs.partial} partial, {runs.failed} failed,"
        f" {runs.missed} missed, {runs.late} late; {_new(connection, span)}"
    )
    rest = [f"{title}\n" + "\n".join(f"- {line}" for line in lines) for title, lines in parts if lines]
    return "\n\n".join([head, *rest])


def _new(connection: Connection, span: timedelta) -> str:
    """What the watches found, as in: 3 new tokens, 12 new ads."""
    found = {row.domain: row.new for row in connection.execute(_NEW, {"span": span})}
    watches = registry.by_domain().items()
    each = ((found.get(name) or 0, one.digest) for name, one in watches if one.digest)
    return ", ".join(count_words(new, words.removesuffix("s"), words) for new, words in each)


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: told on 2 channels."""
    told = counts.get("told", 0)
    return f"told on {count_words(told, 'channel')}" if told else "nothing to tell"


@app.task(
    name=__name__,
    options=DigestOptions,
    summary=summary,
    queue=NOTICES_QUEUE,
    min_every=timedelta(hours=1),
)
def digest(work: Work[DigestOptions]) -> None:
    """Send what happened in the last day: runs, failures, quota used, finds, matches, changes."""
    for item in work.items():
        with work.attempt(item), work.done(item) as connection:
            words = composed(connection, timedelta(hours=work.options.hours))
            if words is not None:
                work.count(told=_notify(connection, work, words))


def _notify(connection: Connection, work: Work[Any], words: str) -> int:
    content = {"title": "Watchkeeper: the last day", "text": words}
    told = notices.add_for_incidents(connection, f"digest {work.run_id}", content)
    if told:
        notices.ask_for_sending(connection)
    return told
