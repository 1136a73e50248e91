"""The Celery application, as tasks register with it; `workers.app` adds what a worker and a beat do.

What Celery is to import is named: it imports it when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click
from celery import Celery
from celery.app.registry import TaskRegistry
from celery.loaders.app import AppLoader

from workers.processes import memory


class Registry(TaskRegistry):
    """Tasks that are known, and those that are imported when one is asked for that is not."""

    load: Callable[[], Any] | None = None

    def __missing__(self, key: str) -> Any:
        load, self.load = self.load, None
        if load is not None:
            load()
            return self[key]
        return super().__missing__(key)


class Loader(AppLoader):
    def import_default_modules(self) -> Any:
        """Flower shows what others do: it imports the tasks when somebody calls one there.

        They and what they need are 40 MiB.
        """
        command = click.get_current_context(silent=True)
        if command is None or command.info_name != "flower":
            with memory.importing():
                return super().import_default_modules()
        registry: Any = self.app.tasks
        registry.load = super().import_default_modules
        return []


#: What only a kind declares.
DECLARED = frozenset(
    {
        "options", "plan", "summary", "upstream", "batch_size", "batch_delay", "min_every", "max_every",
        "allowed_every", "ends_late", "max_running", "max_attempts", "timeout",
    }
)  # fmt: skip


def is_kind(function: Any, options: Mapping[str, Any]) -> bool:
    """Whether a decorated function is a kind: it declares what only a kind has, or takes a `Work`."""
    if DECLARED & options.keys():
        return True
    takes = [
        note for name, note in getattr(function, "__annotations__", {}).items() if name != "return"
    ]
    return len(takes) == 1 and str(getattr(takes[0], "__name__", takes[0])).partition("[")[0] == "Work"


def choosing_base(make: Callable[..., Any]) -> Callable[..., Any]:
    """Celery's decorator ``make`` (an application's ``task``), with our base for kinds alone.

    A kind declares what only `workers.execution.task.Task` has.
    """

    def task(*args: Any, **options: Any) -> Any:
        def register(function: Any) -> Any:
            chosen = options
            if "base" not in options and is_kind(function, options):
                # Celery's own tasks come here too, also in Flower, which needs no database.
                from workers.execution.task import Task

                chosen = {"base": Task, "shared": False, **options}
            return make(**chosen)(function)

        if len(args) == 1 and callable(args[0]):
            return register(args[0])
        return make(*args, **options) if args else register

    return task


class Application(Celery):
    """Celery whose kinds are its own; any other task is as Celery makes it."""

    registry_cls = "workers.execution.application:Registry"

    if not TYPE_CHECKING:

        def task(self, *args: Any, **options: Any) -> Any:
            return choosing_base(super().task)(*args, **options)

        @cached_property
        def Beat(self) -> Any:  # noqa: N802 - Celery's name
            return self.subclass_with_self("beat.service:Beat")


app = Application(
    "watchkeeper",
    loader="workers.execution.application:Loader",
    include=["tasks.autoload", "workers.execution.session"],
)
app.config_from_object("workers.pool.configuration")
