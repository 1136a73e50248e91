"""What the `watch` and `notify` commands read: rows for people, by psycopg."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from tasks.watches.filters import Filters
from tasks.watches.watch import Watch

Connection = psycopg.Connection[dict[str, Any]]

CHANNELS = """
select c.name, c.kind, c.target, c.upstream, c.enabled, c.max_per_hour, c.incidents,
       count(n.id) filter (where n.state in ('waiting', 'sending')) as waiting,
       count(n.id) filter (where n.state = 'sent') as sent,
       count(n.id) filter (where n.state = 'dead') as dead,
       (select case when free_at > clock_timestamp() then free_at end
          from channel_room(c.name)) as held_until
  from channel c left join notice n on n.channel = c.name group by c.name order by c.name
"""

NOTICES = """
select n.id, n.channel, n.state, coalesce(m.title, n.content ->> 'title') as what, m.rule, m.occasion,
       n.attempts, n.answer, n.created_at, n.sent_at
  from notice n left join match m on m.id = n.match_id order by n.id desc limit %s
"""


def rule(connection: Connection, name: str) -> Any:
    cursor = connection.cursor(row_factory=namedtuple_row)
    return cursor.execute("select * from rule where name = %s", (name,)).fetchone()


def rule_names(connection: Connection) -> list[str]:
    return [row["name"] for row in connection.execute("select name from rule order by name")]


def common_filters(connection: Connection) -> Filters:
    row = connection.execute("select filters from global_filter").fetchone()
    return Filters().overridden(row and row["filters"])


def rows_of(
    connection: Connection,
    watch: Watch,
    *,
    span: timedelta | None = None,
    key: str | None = None,
    rule: str | None = None,
) -> Sequence[Any]:
    """Rows of a watch seen within ``span``, or the one with that key, as ``rule`` sees it now."""
    statement = re.sub(r"(?<!:):(span|key|rule)\b", r"%(\1)s", watch.rows.replace("%", "%%"))
    cursor = connection.cursor(row_factory=namedtuple_row)
    return cursor.execute(statement.encode(), {"span": span, "key": key, "rule": rule}).fetchall()
