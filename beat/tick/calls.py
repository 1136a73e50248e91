"""The message of a plain Celery task: its own arguments, its run's id, and a header that names the run.

Prepared once a task as `envelope` does, and filled with what the ledger says of the run.
"""

import base64
import itertools
import json
import re
import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from celery import Celery
from kombu.utils.json import dumps

from workers.ledger.sent import Message
from workers.processes.doorbells import as_stored

#: Header of a message that has a run; `workers.plain.running` reads it.
HEADER = "watchkeeper_run"
#: How much of the arguments is shown in events and logs, as Celery does (characters).
MAX_REPR = 1024

_RUN = "00000000-cccc-4ccc-8ccc-000000000000"
#: What differs between two messages of one call; the rest is filled in once.
_MARKS = re.compile(f"({_RUN}|schedule-placeholder|tag-placeholder)")
_CALL_MARKS = re.compile(
    'body-placeholder|args-placeholder|kwargs-placeholder|"retries-placeholder"|"limit-placeholder"'
)
_EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def redis_priority(priority: int, steps: Sequence[int]) -> int | None:
    """Priority of a plain task's message, 0 first; None: none, as Celery sends messages by default.

    With a step for each priority it is counted down as for kinds.  Elsewhere messages without a
    priority come first, so a schedule of the usual priority sends its own so too.
    """
    if len(steps) == 10:
        return 9 - priority
    return None if priority >= 5 else 2 * (5 - priority) - 1


class Calls:
    def __init__(self, app: Celery) -> None:
        self._app = app
        self._parts = lru_cache(maxsize=1000)(self._split)
        # As unique as a UUID of its own for each message, and cheaper.
        self._tag, self._number = uuid.uuid4(), itertools.count()

    def fill(self, message: Message, priority: int | None) -> str:
        """The message as kombu's Redis transport stores it."""
        values = {
            _RUN: message.run_id,
            "schedule-placeholder": json.dumps(message.schedule or "")[1:-1],
            "tag-placeholder": f"{self._tag}-{next(self._number)}",
        }
        parts = self._parts(message.task, message.queue, priority, message.call or "{}")
        return "".join([values.get(part, part) for part in parts])

    def _split(self, task: str, queue: str, priority: int | None, call: str) -> list[str]:
        said = _said(call)
        whole = self._whole(task, queue, priority)
        return _MARKS.split(_CALL_MARKS.sub(lambda mark: said[mark.group()], whole))

    def send(self, message: Message, producer: Any) -> None:
        """Send it through Celery's producer, to any broker."""
        said = json.loads(message.call or "{}")
        options = said["options"]
        self._app.send_task(
            message.task,
            args=options.get("args") or [],
            kwargs=options.get("kwargs") or {},
            task_id=message.run_id,
            root_id=message.run_id,
            queue=message.queue,
            priority=None if message.priority == 5 else message.priority,
            retries=said["retries"],
            time_limit=said["timeout"],
            headers=_headers(message.run_id, message.schedule or ""),
            producer=producer,
        )

    def _whole(self, task: str, queue: str, priority: int | None) -> str:
        made = self._app.amqp.as_task_v2(
            _RUN, task, root_id=_RUN, argsrepr="args-placeholder", kwargsrepr="kwargs-placeholder"
        )
        headers = {
            **made.headers,
            "retries": "retries-placeholder",
            "timelimit": ["limit-placeholder", None],
            **_headers(_RUN, "schedule-placeholder"),
        }
        # Left to the task, which knows whether its result is wanted.
        del headers["ignore_result"]
        declared = self._app.amqp.queues[queue]
        return as_stored(
            headers,
            "body-placeholder",
            made=made,
            sent_to=(declared.exchange.name, declared.routing_key),
            priority=priority,
            tag="tag-placeholder",
        )


def _headers(run_id: str, schedule: str) -> dict[str, Any]:
    return {HEADER: run_id, "celery_beat_task": True, "periodic_task_name": schedule}


def _said(call: str) -> dict[str, str]:
    """Parts of the message that depend on what is called: many runs of a schedule say the same."""
    said = json.loads(call)
    args, kwargs = said["options"].get("args") or [], said["options"].get("kwargs") or {}
    body = base64.b64encode(dumps([args, kwargs, _EMBEDDED]).encode()).decode()
    return {
        "body-placeholder": body,
        "args-placeholder": json.dumps(repr(tuple(args))[:MAX_REPR])[1:-1],
        "kwargs-placeholder": json.dumps(repr(kwargs)[:MAX_REPR])[1:-1],
        '"retries-placeholder"': json.dumps(said["retries"]),
        '"limit-placeholder"': json.dumps(said["timeout"]),
    }
