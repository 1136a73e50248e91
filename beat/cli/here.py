"""`run NAME --here`: a run in this process, without beat, broker and workers.

The run has its row in the ledger, follows the overlap policy, takes permits, and can be watched and
stopped like any other.  Where beat and workers run, they share the batches of a large run.
"""

import json
import signal
import sys
import threading
from types import FrameType
from typing import Any

from beat.cli.progress import RUNS, phrase
from workers import cli
from workers.text.statements import statements

_SQL = statements(__file__)


def run_here(name: str, options: dict[str, Any], note: str | None) -> None:
    """Run schedule ``name`` to its end in this process; exit status 1 when it fails."""
    from workers import logs
    from workers.processes import shutdown

    logs.configure()
    with cli.connect() as connection:
        connection.execute("select schedule_named(%s)", (name,))
        run_id = _begin(name, options, note)
        cli.say(f"run {run_id}", err=True)

        def interrupted(_: int, __: FrameType | None) -> None:
            shutdown.request()

        before = signal.signal(signal.SIGINT, interrupted)
        try:
            row = _work(connection, run_id)
        finally:
            signal.signal(signal.SIGINT, before)
    if row["finished_at"] is None:
        cli.say(
            f"handed back; workers go on with it, or: {cli.typed(f'schedule stop {run_id}')}", err=True
        )
        sys.exit(cli.INTERRUPTED)
    cli.say(phrase(row))
    if row["state"] not in {"succeeded", "partial"}:
        sys.exit(cli.FAILED)


def _begin(name: str, options: dict[str, Any], note: str | None) -> str:
    """Write the run and its first batch as beat does, under the schedule's lock."""
    from psycopg.rows import tuple_row

    from beat.tick import readiness, reading
    from beat.tick.claim import ClaimPlan
    from beat.tick.context import TickContext

    given = json.dumps(options) if options else None
    with cli.connect() as connection, connection.transaction():
        connection.row_factory = tuple_row
        request, by = connection.execute(_SQL["request"], (name, given, note)).fetchone()
        row = reading.lock_one(connection, name)
        if row is None:
            cli.fail(
                "another session has locked the schedule",
                "try again when its transaction has ended",
                cli.REFUSED,
            )
        context = TickContext(connection, readiness.ask(connection))
        claim = ClaimPlan(context)
        claim.count([row])
        run = claim.add(row, context.now, "manual", options=given, requested_by=by)
        if run.state != "due":
            cli.fail(
                f"not started: {run.reason}",
                cli.typed("schedule watch") + " shows what runs",
                cli.REFUSED,
            )
        claim.write()
        connection.execute("update run_request set answer_run_id = %s where id = %s", (run.id, request))
        return run.id


def _work(connection: Any, run_id: str) -> Any:
    """Run the batches one by one until none is left, or until Ctrl-C."""
    from workers.execution.task import RunFailed
    from workers.plain import applications, running
    from workers.processes import shutdown

    tasks = {name: task for app in applications.applications() for name, task in app.tasks.items()}
    pause = threading.Event()
    while True:
        row = connection.execute(RUNS, {"ids": [run_id]}).fetchone()
        if row["finished_at"] is not None or shutdown.requested():
            return row
        ready = connection.execute(_SQL["ready"], (run_id,)).fetchone()
        if ready is None:
            pause.wait(0.2)
            continue
        try:
            if ready["plain"]:
                running.run_here(tasks[ready["task"]], run_id)
                continue
            tasks[ready["task"]](run_id, ready["seq"])
        except RunFailed:
            continue
