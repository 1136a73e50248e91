"""The Celery application, as tasks register with it; `workers.app` adds what a worker and a beat do.

What Celery is to import is named: it imports it when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery import Celery


def choosing_base(make: Callable[..., Any]) -> Callable[..., Any]:
    """Celery's decorator ``make`` (an application's ``task``), with our base for kinds alone.

    A kind declares what only `workers.execution.task.Task` has.
    """

    def task(*args: Any, **options: Any) -> Any:
        def register(function: Any) -> Any:
            from workers.execution.task import Task, is_kind

            chosen = options
            if "base" not in options and is_kind(function, options):
                chosen = {"base": Task, "shared": False, **options}
            return make(**chosen)(function)

        if len(args) == 1 and callable(args[0]):
            return register(args[0])
        return make(*args, **options) if args else register

    return task


class Application(Celery):
    """Celery whose kinds are its own; any other task is as Celery makes it."""

    if not TYPE_CHECKING:

        def task(self, *args: Any, **options: Any) -> Any:
            return choosing_base(super().task)(*args, **options)

        @cached_property
        def Beat(self) -> Any:  # noqa: N802 - Celery's name
            return self.subclass_with_self("beat.service:Beat")


app = Application("watchkeeper", include=["tasks.autoload", "workers.execution.session"])
app.config_from_object("workers.pool.configuration")
