"""Messages of plain Celery tasks: each is its own run, claimed and ended around what Celery does."""

from __future__ import annotations

from uuid import UUID

from workers.db import Driver, execute

#: A message that nobody can work on, and that no run stands for, has a failed one.
CREATE_FAILED = """
insert into run (id, task, options, trigger, due_at, state, queue, error, finished_at, requested_by)
values (%(run_id)s, %(task)s, %(options)s::jsonb, 'manual', clock_timestamp(), 'failed', '', %(error)s,
        clock_timestamp(), 'a message')
on conflict do nothing
"""

#: The run of a schedule goes on: its message is sent again, perhaps to a worker that knows the task.
NOTE_UNKNOWN = """
update batch set error = %(error)s
 where run_id = %(run_id)s and seq = 0 and state in ('waiting', 'sent')
"""


def note_unreadable(connection: Driver, run_id: UUID, task: str, options: str, error: str) -> None:
    """Keep a message that a worker cannot work on."""
    what = {"run_id": run_id, "task": task, "options": options, "error": error}
    if not execute(connection, CREATE_FAILED, what).rowcount:
        execute(connection, NOTE_UNKNOWN, what)
