"""`queue_sample`, `upstream_sample`: each queue and upstream once a minute, kept for two days."""

from datetime import datetime, timedelta

from beat.tick.context import TickContext
from workers.text.statements import statements

_SQL = statements(__file__)
KEPT = timedelta(hours=48)


def is_due(context: TickContext) -> bool:
    return context.sampled_at != _minute(context.now)


def sample(context: TickContext) -> bool:
    """Write this minute's samples, unless another beat has, and delete those of two days ago.

    Totals of permits are continued, too: True while there are more.
    """
    at = _minute(context.now)
    values = {"at": at, "now": context.now, "before": at - KEPT}
    with context.connection.transaction():
        # Small tables are read as a whole: a scan that beat forbids is thought to cost 10^10.
        context.connection.execute("select set_config('enable_seqscan', 'on', true)")
        for statement in _SQL.values():
            context.connection.execute(statement, values)
    (more,) = context.connection.execute("select total_permits()").fetchone() or (False,)
    if not more:
        context.sampled_at = at
    return bool(more)


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)
