"""An application whose beat is django-celery-beat's, on the SQLite file of `tests.support.django_beat`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from tests.support import django_beat

django_beat.configure(os.environ["DJANGO_BEAT"])
app = Celery("old", broker=os.environ["WATCHKEEPER_BROKER_URL"])
app.conf.update(
    task_default_queue="upkeep",
    timezone="UTC",
    beat_scheduler="tests.support.django_beat_app:Scheduler",
)

from django_celery_beat.schedulers import DatabaseScheduler  # noqa: E402 - wants its settings first


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Ends its beat after ``DJANGO_BEAT_SENDS`` messages: a signal may come between a count and its message."""

    _left = int(os.environ["DJANGO_BEAT_SENDS"])

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        if self._left <= 0:
            raise SystemExit
        return super().tick(*args, **kwargs)

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        self._left -= 1
        return super().apply_async(*args, **kwargs)
