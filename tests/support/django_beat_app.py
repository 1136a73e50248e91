"""An application whose beat is django-celery-beat's, on the SQLite file of `tests.support.django_beat`."""

from __future__ import annotations

import os

from celery import Celery

from tests.support import django_beat

django_beat.configure(os.environ["DJANGO_BEAT"])
app = Celery("old", broker=os.environ["WATCHKEEPER_BROKER_URL"])
app.conf.update(
    task_default_queue="upkeep",
    timezone="UTC",
    beat_scheduler="django_celery_beat.schedulers:DatabaseScheduler",
)
