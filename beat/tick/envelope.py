"""A Celery 5.7 message for kombu's Redis transport, built once a task and filled a batch.

Building a message with ``apply_async`` costs about 0.5 ms of CPU, filling a prepared one about 0.01 ms.
What is prepared is what Celery and kombu themselves produce for that task, so stock workers read it.
"""

import base64
import json
import re
import uuid

from celery import Celery

from workers.ledger.sent import Message
from workers.pool.broker import EXCHANGE
from workers.processes.doorbells import as_stored, batch_id, redis_priority

#: Stands where the id will be; nothing else in a message looks like it.
_ID = "00000000-aaaa-4aaa-8aaa-000000000000"
_ROOT = "00000000-bbbb-4bbb-8bbb-000000000000"
_SCHEDULE = "schedule-name-placeholder"
_BODY = "body-placeholder"
_TAG = "tag-placeholder"
_ARGUMENTS = "arguments-placeholder"
_MARKS = re.compile(f"({_ID}|{_ROOT}|{_SCHEDULE}|{_BODY}|{_TAG}|{_ARGUMENTS})")
#: The part of the body that is the same for every message: no callbacks, errbacks, chain, chord.
_EMBEDDED = '{"callbacks": null, "errbacks": null, "chain": null, "chord": null}'


def message_id(message: Message) -> str:
    if message.call is not None:
        # A plain task sees it as ``self.request.id``.
        return message.run_id
    return batch_id(uuid.UUID(message.run_id), message.seq, message.fence)


class Envelopes:
    def __init__(self, app: Celery) -> None:
        self._app = app
        self._prepared: dict[tuple[str, str, int], list[str]] = {}

    def fill(self, message: Message) -> str:
        key = (message.task, message.queue, message.priority)
        parts = self._prepared.get(key)
        if parts is None:
            parts = self._prepared[key] = self._prepare(*key)
        run_id = message.run_id
        body = f'[["{run_id}", {message.seq}], {{}}, {_EMBEDDED}]'
        values = {
            _ID: message_id(message),
            _ROOT: run_id,
            _SCHEDULE: json.dumps(message.schedule or "")[1:-1],
            _BODY: base64.b64encode(body.encode()).decode(),
            _TAG: str(uuid.uuid4()),
            _ARGUMENTS: f"('{run_id}', {message.seq})",
        }
        return "".join(values.get(part, part) for part in parts)

    def _prepare(self, task: str, queue: str, priority: int) -> list[str]:
        made = self._app.amqp.as_task_v2(
            _ID,
            task,
            args=(_ROOT, 0),
            kwargs={},
            root_id=_ROOT,
            argsrepr=_ARGUMENTS,
            kwargsrepr="{}",
            ignore_result=True,
            time_limit=getattr(self._app.tasks.get(task), "time_limit", None),
        )
        headers = {
            **made.headers,
            # Celery's own mark of beat, and the one that existing dashboards read.
            "celery_beat_task": True,
            "periodic_task_name": _SCHEDULE,
        }
        whole = as_stored(
            headers,
            _BODY,
            made=made,
            sent_to=(EXCHANGE.name, queue),
            priority=redis_priority(priority),
            tag=_TAG,
        )
        return _MARKS.split(whole)
