"""The Celery applications whose tasks are on the schedule: setting `WATCHKEEPER_APP`."""

from celery import Celery
from celery.app.utils import find_app

from workers.settings import settings


def names() -> list[str]:
    return [name.strip() for name in settings().app.split(",") if name.strip()]


def applications() -> list[Celery]:
    """Each with its tasks imported."""
    found = []
    for name in names():
        app = find_app(name)
        app.loader.import_default_modules()
        found.append(app)
    return found
