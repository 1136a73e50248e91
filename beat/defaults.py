"""Entries of ``beat_schedule`` from code, inserted once as rows that people then own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import psycopg
import structlog
from celery.beat import ScheduleEntry
from celery.schedules import crontab, schedule

from workers.db import Driver

log = structlog.stdlib.get_logger("beat")

INSERT = """
insert into schedule (name, task, options, every, cron, note)
values (%(name)s, %(task)s, %(options)s, %(every)s, %(cron)s, 'from beat_schedule in the code')
on conflict (name) do nothing
"""


def _timing(given: Any) -> tuple[timedelta | None, str | None]:
    entry: Any = given
    if isinstance(given, crontab):
        fields = (
            entry._orig_minute,  # noqa: SLF001 - the only place that keeps the text of the fields
            entry._orig_hour,  # noqa: SLF001
            entry._orig_day_of_month,  # noqa: SLF001
            entry._orig_month_of_year,  # noqa: SLF001
            entry._orig_day_of_week,  # noqa: SLF001
        )
        return None, " ".join(str(field) for field in fields)
    if isinstance(given, schedule):
        return entry.run_every, None
    if isinstance(given, timedelta):
        return given, None
    return timedelta(seconds=float(given)), None


def insert_entries(connection: Driver, entries: Mapping[str, ScheduleEntry]) -> None:
    """Insert entries of ``beat_schedule`` without a row; an invalid one is logged and skipped."""
    for key, entry in entries.items():
        name = key.lower().replace("_", "-").replace(".", "-")
        try:
            every, cron = _timing(entry.schedule)
            row = {
                "name": name,
                "task": entry.task,
                "options": json.dumps(entry.kwargs or {}),
                "every": every,
                "cron": cron,
            }
            connection.execute(INSERT, row)
        except (psycopg.DataError, psycopg.IntegrityError, KeyError, TypeError, ValueError) as error:
            log.error("entry.refused", name=name, error=str(error).partition("\n")[0])
