"""Follows runs to their end: live bars on a terminal, a line for each change elsewhere."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from workers import cli
from workers.text.cleaning import printable
from workers.text.statements import statements

RUNS = statements(__file__)["runs"]
#: Seconds between two reads.
POLL_SECONDS = 0.25
#: A request that no beat has answered by then gets a notice (seconds).
MAX_SILENCE = 5.0


#: What `--json` says of a run that has ended.
ENDED = ("id", "name", "state", "finished_at", "summary", "total", "ended", "failed")

ANSWER = "select answer, answer_run_id from run_request where id = %s"


def wait_for_answer(connection: Any, request: int) -> Any:
    """The id of the run that a request created; exits when it created none."""
    noticed, began = False, time.monotonic()
    try:
        while not (row := connection.execute(ANSWER, (request,)).fetchone())["answer_run_id"]:
            if row["answer"]:
                cli.fail(row["answer"], None, cli.FAILED)
            if not noticed and time.monotonic() - began > MAX_SILENCE:
                noticed = True
                cli.say(
                    f"no beat has answered yet; {cli.typed('doctor')} says whether one runs", err=True
                )
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        cli.say(f"request {request} stays; beat will handle it: {cli.typed('schedule runs')}", err=True)
        sys.exit(cli.INTERRUPTED)
    return row["answer_run_id"]


def phrase(row: dict[str, Any], *, countdown: bool = False) -> str:
    if row["finished_at"]:
        return f"{row['state']}: {row['summary'] or ''}".rstrip(": ")
    failed = f"{row['failed']} failed, " if row["failed"] else ""
    if row["waiting_for"]:
        left = f" {max(0, round(row['waits'] or 0))} s" if countdown else ""
        return f"{failed}waiting{left} for {row['waiting_for']}"
    held = row["state"] == "held" and row["summary"]
    return f"{failed}{held or row['state']}"


class Lines:
    def __init__(self) -> None:
        self._printed: dict[Any, str] = {}

    def show(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            line = f"{row['name']} {row['ended']}/{row['total']} {phrase(row)}"
            if self._printed.get(row["id"]) != line:
                self._printed[row["id"]] = line
                cli.say(line, err=True)

    def close(self) -> None:
        """No screen to restore."""


class Bars:
    """A bar for each run, redrawn on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Remaining

        self._bars = Progress(
            TextColumn("{task.fields[name]}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            Remaining(),
            TextColumn("{task.fields[text]}", markup=False),
            console=Console(stderr=True),
        )
        self._tasks: dict[Any, Any] = {}
        self._bars.start()

    def show(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            if row["id"] not in self._tasks:
                name = printable(row["name"])
                self._tasks[row["id"]] = self._bars.add_task("", name=name, text="", total=None)
            self._bars.update(
                self._tasks[row["id"]],
                completed=float(row["ended"]),
                total=float(row["total"]) or None,
                text=printable(row["state"] if row["finished_at"] else phrase(row, countdown=True)),
            )

    def close(self) -> None:
        self._bars.stop()


def follow(connection: Any, ids: Sequence[Any] | None) -> None:
    """Show runs until they have ended, without ``ids`` active ones until Ctrl-C; exit 1 on failure."""
    view: Lines | Bars = Bars() if sys.stderr.isatty() else Lines()
    rows: dict[Any, dict[str, Any]] = {}
    try:
        while True:
            wanted = list(ids) if ids is not None else sorted(rows)
            found = connection.execute(RUNS, {"ids": wanted}).fetchall()
            if ids is None:
                found += connection.execute(RUNS, {"ids": None}).fetchall()
            rows = {row["id"]: row for row in found}
            view.show(list(rows.values()))
            if ids is not None and all(row["finished_at"] for row in rows.values()):
                break
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        view.close()
        active = [run_id for run_id, row in rows.items() if not row["finished_at"]]
        if active and ids is not None:
            cli.say(f"it goes on; to end it: {cli.typed(f'schedule stop {active[0]}')}", err=True)
        sys.exit(cli.INTERRUPTED)
    view.close()
    if cli.is_json():
        cli.print_json([{key: cli.plain(row[key]) for key in ENDED} for row in rows.values()])
    for row in () if cli.is_json() else rows.values():
        cli.say(phrase(row))
    if any(row["state"] not in {"succeeded", "partial"} for row in rows.values()):
        sys.exit(cli.FAILED)
