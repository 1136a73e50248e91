"""``celery worker --slots``: how many batches one process of this worker works at once."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

from workers.processes import memory, reports, slots


class SlotsOption(bootsteps.Step):
    """Bootstep of the worker: made before its pool is."""

    def __init__(self, worker: Any, **options: Any) -> None:
        slots.configure(options.get("slots"))
        reports.open_pipe()
        memory.limit_arenas()
        super().__init__(worker, **options)
