"""What a plain Celery task takes: the schema of its arguments, from its signature by pydantic.

The database checks rows by it (`alembic/sql/arguments_check.sql`).  A parameter without a type hint, or
with one that pydantic cannot express, takes anything.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import Celery
from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from workers.execution.task import Task

#: Celery's own tasks that a schedule may run; the others are made by a canvas alone.
BUILT_IN = ("celery.backend_cleanup", "celery.chunks", "celery.map", "celery.starmap")

#: How a parameter is given: by place, by name, either, or many.
KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "either",
    inspect.Parameter.KEYWORD_ONLY: "named",
    inspect.Parameter.VAR_POSITIONAL: "rest",
    inspect.Parameter.VAR_KEYWORD: "others",
}


@dataclass(frozen=True, slots=True)
class PlainKind:
    """A plain task as `task_kind` shows it."""

    name: str
    description: str
    default_queue: str
    schema: dict[str, Any]
    timeout: timedelta | None
    reruns: bool
    plain: bool = True
    max_attempts: int = 1
    upstream: str | None = None
    min_every: timedelta | None = None
    max_every: timedelta | None = None
    allowed_every: tuple[timedelta, ...] | None = None
    max_running: int | None = None

    @property
    def options(self) -> PlainKind:
        return self

    def model_json_schema(self) -> dict[str, Any]:
        return self.schema


def plain_kinds(app: Celery) -> list[PlainKind]:
    return [_kind_of(app, task) for name, task in sorted(app.tasks.items()) if _is_plain(name, task)]


def _is_plain(name: str, task: Any) -> bool:
    if isinstance(task, Task) or task.__module__.startswith("pytest_celery."):
        return False
    return not name.startswith("celery.") or name in BUILT_IN


def _kind_of(app: Celery, task: Any) -> PlainKind:
    limit = task.time_limit
    return PlainKind(
        name=task.name,
        description=(inspect.getdoc(task.run) or task.name).strip().partition("\n")[0],
        default_queue=queue_of(app, task),
        schema=schema_of(task.run),
        timeout=timedelta(seconds=limit) if limit else None,
        reruns=bool(app.conf.task_acks_late if task.acks_late is None else task.acks_late),
    )


def queue_of(app: Celery, task: Any) -> str:
    """The queue that a call of ``task`` goes to: its own, else where the app routes it."""
    own = getattr(task, "queue", None)
    routed = app.amqp.router.route({"queue": own} if own else {}, task.name)
    queue = routed.get("queue") or app.conf.task_default_queue
    return str(getattr(queue, "name", queue))


def schema_of(function: Callable[..., Any]) -> dict[str, Any]:
    """JSON Schema of ``args`` and ``kwargs``, and of each parameter under ``arguments``."""
    parameters = inspect.signature(function).parameters.values()
    adapters = dict(_adapters(function, parameters))
    inputs = [(name, "validation", adapter) for name, adapter in adapters.items()]
    schemas, definitions = TypeAdapter.json_schemas(typing.cast("Any", inputs))
    arguments = [
        {
            "name": one.name,
            "kind": KINDS[one.kind],
            "required": one.default is one.empty and KINDS[one.kind] not in {"rest", "others"},
            "schema": schemas.get((typing.cast("Any", one.name), "validation"), {}),
        }
        for one in parameters
    ]
    return {
        "type": "object",
        "properties": {
            "args": {"type": "array", "description": "Arguments by place"},
            "kwargs": {"type": "object", "description": "Arguments by name"},
        },
        "additionalProperties": False,
        "arguments": arguments,
        **definitions,
    }


def _adapters(
    function: Callable[..., Any], parameters: typing.Iterable[inspect.Parameter]
) -> Iterator[tuple[str, TypeAdapter[Any]]]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        # A hint names what only a type checker imports.
        hints = {}
    for one in parameters:
        hint = hints.get(one.name, Any)
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(hint)
            adapter.json_schema()
        except (PydanticUserError, TypeError, ValueError, NameError):
            continue
        yield one.name, adapter
