"""django-celery-beat on a SQLite file: its own migrations and models fill it."""

from __future__ import annotations

import sys

import django
from django.conf import settings
from django.core.management import call_command


def configure(path: str) -> None:
    settings.configure(
        INSTALLED_APPS=["django_celery_beat"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}},
        USE_TZ=True,
        TIME_ZONE="UTC",
        CELERY_TIMEZONE="UTC",
        DJANGO_CELERY_BEAT_TZ_AWARE=True,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()


def fill() -> None:
    """One periodic task of every form."""
    from datetime import UTC, datetime, timedelta

    from django_celery_beat import models as m

    call_command("migrate", verbosity=0)
    ten = m.IntervalSchedule.objects.create(every=10, period="minutes")
    monday = m.CrontabSchedule.objects.create(
        minute="0", hour="7", day_of_month="1-7", day_of_week="mon", timezone="Europe/Berlin"
    )
    now = datetime.now(UTC)
    once = m.ClockedSchedule.objects.create(clocked_time=now + timedelta(days=3))
    sun = m.SolarSchedule.objects.create(event="sunset", latitude=52, longitude=13)
    new = m.PeriodicTask.objects.create
    new(name="Every ten minutes", task="plain.add", args="[1]", kwargs='{"y": 5}', interval=ten,
        queue="upkeep", expire_seconds=60, last_run_at=now - timedelta(minutes=4))  # fmt: skip
    new(name="overdue", task="plain.whoami", interval=ten, last_run_at=now - timedelta(minutes=12))
    new(name="first Monday", task="plain.add", args="[1]", crontab=monday, priority=3)
    new(name="once", task="plain.whoami", clocked=once, one_off=True)
    new(name="evening", task="plain.whoami", solar=sun)
    new(name="off", task="plain.whoami", interval=ten, enabled=False, description="not now")
    new(name="with headers", task="plain.whoami", interval=ten, headers='{"a": 1}')
    new(name="unknown", task="no.such.task", interval=ten)
    new(name="wrong", task="plain.add", kwargs='{"z": 1}', interval=ten)


def fill_many(number: int, seconds: int) -> None:
    """So many tasks of one interval, due one after the other, evenly."""
    from datetime import UTC, datetime, timedelta

    from django_celery_beat import models as m

    call_command("migrate", verbosity=0)
    interval = m.IntervalSchedule.objects.create(every=seconds, period="seconds")
    # The first is due when the beat is up.
    start = datetime.now(UTC) + timedelta(seconds=10 - seconds)
    m.PeriodicTask.objects.bulk_create(
        m.PeriodicTask(
            name=f"row {n}", task="plain.logged", args=f'["row {n}"]', interval=interval, queue="upkeep",
            last_run_at=start + n * timedelta(seconds=seconds) / number,
        )
        for n in range(number)
    )  # fmt: skip
    m.PeriodicTasks.update_changed()


if __name__ == "__main__":
    configure(sys.argv[1])
    if len(sys.argv) > 2:
        fill_many(int(sys.argv[2]), int(sys.argv[3]))
    else:
        fill()
