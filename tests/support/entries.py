"""Entries of `beat_schedule` in code, as an application that is not ours has them."""

from __future__ import annotations

from celery import Celery
from celery.schedules import crontab, solar

SCHEDULE = {
    "Add (EU)": {"task": "plain.add", "schedule": 600.0, "args": (1,), "kwargs": {"y": 2}},
    "first Monday": {
        "task": "plain.whoami",
        "schedule": crontab("0", "7", day_of_month="1-7", day_of_week="monday"),
        "options": {"queue": "upkeep", "expires": 60},
    },
    "on the hour": {"task": "plain.whoami", "schedule": 3600, "relative": True},
    "evening": {"task": "plain.whoami", "schedule": solar("sunset", 52, 13)},
    "elsewhere": {"task": "plain.whoami", "schedule": 60, "options": {"exchange": "x"}},
    "without": {"task": "plain.whoami"},
}

app = Celery("other", set_as_current=False)
app.conf.update(timezone="Europe/Berlin", beat_schedule=SCHEDULE)
