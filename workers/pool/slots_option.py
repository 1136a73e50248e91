"""``celery worker --slots``: how many batches one process of this worker works at once."""

from typing import Any

from celery import bootsteps

from workers.connections import places
from workers.processes import memory, reports, slots
from workers.settings import BROWSER_QUEUE


class SlotsOption(bootsteps.Step):
    """Bootstep of the worker: made before its pool is."""

    def __init__(self, worker: Any, **options: Any) -> None:
        given = options.get("slots")
        known = worker.app.amqp.queues
        served = set(known.consume_from)
        if given is None and BROWSER_QUEUE in served and served < set(known):
            # A Chromium takes as much memory as hundreds of calls that wait.
            given = 1
        slots.configure(given)
        autoscale = options.get("autoscale")
        places.set_pool_size(int(autoscale[0] if autoscale else worker.concurrency), slots.count())
        reports.open_pipe()
        memory.limit_arenas()
        memory.freeze_before_forks()
        super().__init__(worker, **options)
