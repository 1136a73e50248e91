"""The shop's Celery application; the last line is all that Watchkeeper needs."""

import os

from celery import Celery
from celery.schedules import crontab

from workers.plain.install import install

app = Celery("shop", include=["shop.tasks", "shop.kinds"])
app.conf.update(
    broker_url=os.environ.get("SHOP_BROKER_URL", "redis://127.0.0.1:6379/0"),
    result_backend=os.environ.get("SHOP_BROKER_URL", "redis://127.0.0.1:6379/0"),
    broker_transport_options={"global_keyprefix": "shop:"},
    task_default_queue="shop",
    task_routes={"shop.tasks.send_*": {"queue": "mails"}},
    timezone="Europe/Berlin",
    beat_scheduler="beat.scheduler:DatabaseScheduler",
    beat_schedule={
        "Count the stock": {
            "task": "shop.tasks.count_stock",
            "schedule": 5.0,
            "args": ("central",),
        },
        "Monthly statement, on a Monday": {
            "task": "shop.tasks.send_statement",
            "schedule": crontab(minute=0, hour=7, day_of_month="1-7", day_of_week="monday"),
            "kwargs": {"to": "owner@example.org"},
        },
    },
)

install(app)
