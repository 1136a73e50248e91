"""`tasks.watches.incidents`: tells people when something breaks, and when it is well again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from tasks.watches import incident_log
from workers.app import app
from workers.kinds import Options
from workers.work import Work


class IncidentsOptions(Options):
    """Nothing to set: what is trouble is the view of that name."""


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 1 broke, 0 recovered."""
    return f"{counts.get('broke', 0)} broke, {counts.get('recovered', 0)} recovered"


@app.task(
    name=__name__,
    options=IncidentsOptions,
    summary=summary,
    queue="notices",
    min_every=timedelta(seconds=10),
)
def incidents(work: Work[IncidentsOptions]) -> None:
    """Tell people once what broke and once what recovered; paused schedules are silent."""
    for item in work.items():
        with work.attempt(item), work.done(item) as connection:
            broke, recovered = incident_log.follow(connection)
            work.count(broke=broke, recovered=recovered)
