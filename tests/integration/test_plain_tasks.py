"""Plain Celery tasks on the schedule: Celery's own messages, the ledger around them."""

from __future__ import annotations

import importlib
import re
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import signals
from celery.exceptions import Reject

from tests.support.waiting import wait_for
from workers.plain import background, parent
from workers.settings import settings

APP = "tests.support.plain_app"


class Plain:
    """Beat by hand, and real workers that serve the plain tasks."""

    def __init__(self, drive: Any, process: Callable[..., Any], broker_url: str) -> None:
        self.drive, self._process, self._broker = drive, process, broker_url

    def worker(self, *options: str, **env: str) -> Any:
        env = {"WATCHKEEPER_X_BACKEND": self._broker, "WATCHKEEPER_LEASE_SECONDS": "3", **env}
        return self._process("worker", "-Q", "upkeep", "-c", "2", *options, app=APP, **env)

    def schedule(self, task: str, options: dict[str, Any] | None = None, **columns: Any) -> None:
        self.drive.schedule("mine", task=task, options=options or {}, **columns)

    def run(self, **at: Any) -> dict[str, Any]:
        """The run of the schedule once it has ended; beat goes on meanwhile."""

        def ended() -> Any:
            self.drive.work(**at)
            runs = self.drive.runs("mine")
            return runs and runs[0]["finished_at"] and runs[0]

        return wait_for(ended, 40.0, 0.1)  # type: ignore[return-value]

    def effects(self) -> list[str]:
        return [row["item"] for row in self.drive.all("select item from effect order by at")]


@pytest.fixture
def celery(plain: Any, drive: Any, celery_process: Callable[..., Any], broker_url: str) -> Plain:
    return Plain(drive, celery_process, broker_url)


def test_a_due_time_of_a_plain_task_runs_with_its_arguments_and_the_runs_id(celery: Plain) -> None:
    celery.worker()
    celery.schedule("plain.whoami", {"kwargs": {"what": "hello"}})
    run = celery.run()

    assert (run["state"], run["error"], run["trigger"]) == ("succeeded", None, "schedule")
    assert run["result"]["value"] == {"id": str(run["id"]), "root": str(run["id"]), "retries": 0}
    assert celery.effects() == ["hello"]
    batch = celery.drive.one("select * from batch where run_id = %s", run["id"])
    assert (batch["state"], batch["fence"], batch["plain"]) == ("done", 1, True)
    assert batch["worker"].startswith("worker")
    assert run["started_at"] is not None
    assert (run["total"], run["done"], run["failed"]) == (1, 1, 0)


def test_a_result_is_in_celerys_backend_and_in_the_ledger_unless_it_is_ignored(celery: Plain, plain: Any) -> None:  # fmt: skip
    from celery.result import AsyncResult

    celery.worker()
    celery.schedule("plain.add", {"args": [40]})
    run = celery.run()
    plain.app.conf.result_backend, before = celery._broker, plain.app.conf.result_backend
    try:
        backend = plain.app._get_backend()
        result = AsyncResult(str(run["id"]), app=plain.app, backend=backend)
        assert (result.get(timeout=10), run["result"]["value"]) == (42, 42)
    finally:
        plain.app.conf.result_backend = before

    celery.drive.schedule("unseen", task="plain.silent")
    wait_for(lambda: celery.drive.work() or celery.drive.states("unseen") == ["succeeded"], 20.0, 0.1)
    assert celery.drive.runs("unseen")[0]["result"] == {}


def test_a_failure_leaves_error_and_traceback_and_pauses_the_schedule(celery: Plain) -> None:
    celery.worker()
    celery.schedule("plain.fails", pause_after_failures=1)
    run = celery.run()

    assert run["state"] == "failed"
    assert run["error"].startswith("RuntimeError: no luck")
    assert "hunter2secret" not in run["error"] + run["traceback"]
    assert "in fails" in run["traceback"]
    celery.drive.work()
    assert "no luck" in celery.drive.state("mine")["tripped_reason"]
    assert celery.effects() == ["failed"]


def test_attempts_of_the_schedule_are_sent_by_the_ledger(celery: Plain, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    celery.worker()
    celery.schedule("plain.fails", max_attempts=2)
    celery.drive.work()
    wait_for(lambda: celery.effects() == ["failed"], 20.0)
    wait_for(lambda: celery.drive.one("select state from batch")["state"] == "waiting", 10.0)
    celery.drive.sql.execute("update batch set not_before = null, send_at = clock_timestamp()")
    run = celery.run()

    assert run["state"] == "failed"
    assert celery.effects() == ["failed", "failed"]
    assert celery.drive.one("select attempt, fence from batch") == {"attempt": 1, "fence": 2}


@pytest.mark.parametrize("countdown", [0, 1])
def test_celerys_retries_are_one_run(celery: Plain, countdown: int) -> None:
    celery.worker()
    celery.schedule("plain.retries", {"args": [3], "kwargs": {"countdown": countdown}})
    run = celery.run()

    assert (run["state"], run["result"]["value"]) == ("succeeded", 3)
    assert celery.effects() == [f"attempt {number}" for number in range(4)]
    batch = celery.drive.one("select retries, attempt, fence from batch")
    assert batch == {"retries": 3, "attempt": 0, "fence": 4}


def test_autoretry_that_is_used_up_fails_the_run(celery: Plain) -> None:
    celery.worker()
    celery.schedule("plain.auto")
    run = celery.run()

    assert (run["state"], run["error"]) == ("failed", "OSError: the disk is away")
    assert celery.effects() == ["attempt 0", "attempt 1", "attempt 2"]


def test_a_retry_whose_message_is_lost_is_sent_again_with_its_count(celery: Plain) -> None:
    worker = celery.worker()
    celery.schedule("plain.retries", {"args": [1], "kwargs": {"countdown": 2}})
    celery.drive.work()
    wait_for(lambda: celery.drive.one("select state, retries from batch") == {"state": "sent", "retries": 1}, 20.0)  # fmt: skip
    worker.kill()
    celery.drive.redis.flushdb()
    celery.worker()
    celery.drive.sql.execute("update batch set send_at = clock_timestamp()")
    run = celery.run()

    assert (run["state"], run["result"]["value"]) == ("succeeded", 1)
    assert celery.effects() == ["attempt 0", "attempt 1"]


def test_ignore_and_reject_are_said(celery: Plain) -> None:
    celery.worker()
    celery.schedule("plain.ignores")
    run = celery.run()
    assert (run["state"], run["reason"]) == ("succeeded", "the task raised Ignore: done by hand")

    celery.drive.schedule("rejected", task="plain.rejects")
    wait_for(lambda: celery.drive.work() or "failed" in celery.drive.states("rejected"), 20.0, 0.1)
    assert celery.drive.runs("rejected")[0]["error"] == "the task raised Reject: not mine"


def test_that_the_parent_sees_a_rejection_first_does_not_change_what_is_said(celery: Plain) -> None:
    """Celery 5.7 tells the parent of Reject while the process that raised it may still be writing."""
    app = importlib.import_module(APP).app
    # Its import has connected it, as in a worker.
    assert any(parent._lost is receiver() for _, receiver in signals.task_failure.receivers)
    celery.schedule("plain.rejects")
    celery.drive.work()
    for exception in (Reject("not mine", requeue=False), OSError("the process is gone")):
        run = celery.drive.runs("mine")[0]
        assert run["finished_at"] is None
        signals.task_failure.send(
            sender=app.tasks["plain.rejects"], task_id=str(run["id"]), exception=exception
        )
        # Writes are done in their order: this one is the last.
        written = threading.Event()
        background.later(written.set)
        assert written.wait(20.0)

    assert celery.drive.runs("mine")[0]["error"] == "OSError: the process is gone"


def test_a_rejected_message_that_goes_back_to_its_queue_is_the_same_run(
    celery: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The ledger's own copy, which is no redelivery, is sent only where Celery's got lost: neither beat
    # nor the worker takes one for lost that a busy machine keeps waiting.
    monkeypatch.setenv("WATCHKEEPER_RESEND_AFTER_SECONDS", "60")
    settings.cache_clear()
    celery.worker(WATCHKEEPER_RESEND_AFTER_SECONDS="60")
    celery.schedule("plain.rejects", {"args": [True]})
    run = celery.run()

    assert (run["state"], run["result"]["value"]) == ("succeeded", "came back")
    assert celery.effects() == ["rejected", "rejected"]


def test_a_second_copy_of_a_message_ends_at_once(celery: Plain) -> None:
    celery.schedule("plain.sleeps", {"args": [1.0]})
    celery.drive.work()
    body = celery.drive.redis.lrange("upkeep\x06\x164", 0, 0)[0]
    for _ in range(3):
        celery.drive.redis.lpush("upkeep\x06\x164", body)
    celery.worker()
    run = celery.run()
    celery.drive.redis.lpush("upkeep\x06\x164", body)
    wait_for(lambda: celery.drive.redis.llen("upkeep\x06\x164") == 0, 10.0)

    assert run["state"] == "succeeded"
    assert celery.effects() == ["began", "ended"]


def test_a_hard_time_limit_and_a_timeout_end_the_run(celery: Plain) -> None:
    celery.worker()
    celery.schedule("plain.hangs")
    run = celery.run()
    assert run["state"] == "failed"
    assert "TimeLimitExceeded" in run["error"] or "timeout" in run["error"]

    celery.drive.schedule(
        "short", task="plain.sleeps", options={"args": [60]}, timeout=timedelta(seconds=2)
    )
    wait_for(lambda: celery.drive.work() or "failed" in celery.drive.states("short"), 20.0, 0.1)
    assert "ended" not in celery.effects()


def test_a_run_that_is_stopped_ends_as_celery_revokes(celery: Plain) -> None:
    celery.worker()
    celery.schedule("plain.sleeps", {"args": [60]})
    celery.drive.work()
    wait_for(lambda: celery.effects() == ["began"], 20.0)
    celery.drive.sql.execute("select stop_run(id, 'enough') from run")
    run = celery.run()

    assert run["state"] == "stopped"
    # Ended by its worker, not taken for lost.
    assert run["error"] == "terminated"
    assert "enough" in run["reason"]
    assert celery.effects() == ["began"]


def test_a_killed_process_fails_a_task_that_celery_would_not_begin_again(celery: Plain) -> None:
    import os
    import signal

    celery.worker()
    celery.schedule("plain.sleeps", {"args": [60]})
    celery.drive.work()
    wait_for(lambda: celery.effects() == ["began"], 20.0)
    os.kill(celery.drive.one("select pid from effect")["pid"], signal.SIGKILL)
    run = celery.run()

    assert run["state"] == "failed"
    assert "WorkerLost" in run["error"]


@pytest.mark.parametrize(("task", "begins"), [("plain.sleeps", 1), ("plain.late", 2)])
def test_a_killed_worker_begins_again_only_what_is_acknowledged_late(
    celery: Plain, task: str, begins: int
) -> None:
    worker = celery.worker()
    celery.schedule(task, {"args": [2]}, timeout=timedelta(minutes=1))
    celery.drive.work()
    wait_for(lambda: celery.effects() == ["began"], 20.0)
    worker.kill()
    celery.drive.sql.execute("update batch set lease_until = clock_timestamp() - interval '1 second'")
    celery.drive.scheduler._context.connected_at -= 60
    celery.worker()
    run = celery.run()

    assert celery.effects().count("began") == begins
    assert run["state"] == ("succeeded" if begins == 2 else "failed")
    # A lease that began before Postgres did, as in the first test of a session, counts as nobody's death.
    said = re.search(r"begun again: its (worker went silent|lease ended)", run["reason"] or "")
    assert bool(said) == (begins == 2), run["reason"]


def test_a_lost_lease_is_said(celery: Plain) -> None:
    celery.worker()
    celery.schedule("plain.sleeps", {"args": [2]})
    celery.drive.work()
    wait_for(lambda: celery.effects() == ["began"], 20.0)
    celery.drive.sql.execute("update batch set fence = fence + 1")
    wait_for(lambda: celery.drive.runs("mine")[0]["reason"], 20.0)

    assert "after its lease was lost" in celery.drive.runs("mine")[0]["reason"]


def test_chords_chains_groups_maps_and_chunks_are_celerys(celery: Plain) -> None:
    celery.worker()
    celery.schedule("plain.chords", {"args": [100]})
    assert celery.run()["state"] == "succeeded"
    wait_for(lambda: f"total {sum(range(100))}" in celery.effects(), 60.0)

    # What a task starts is Celery's: the ledger has the run that started it, and no other.
    assert celery.drive.one("select count(*) as number from run")["number"] == 1

    celery.drive.schedule("chained", task="plain.chains")
    add = {"task": "plain.add", "args": [], "kwargs": {}, "options": {"queue": "upkeep"}}
    calls = {
        "starmap": [add, [[1, 2], [3, 4]]],
        "map": [{**add, "task": "plain.total"}, [[1, 2], [3, 4]]],
        "chunks": [add, [[n, n] for n in range(4)], 2],
    }
    for name, args in calls.items():
        celery.drive.schedule(name, task=f"celery.{name}", options={"args": args})
    wait_for(lambda: celery.drive.work() or "chain 6" in celery.effects(), 30.0, 0.1)
    wait_for(lambda: celery.drive.work() or all(celery.drive.states(name) == ["succeeded"] for name in calls), 30.0, 0.1)  # fmt: skip
    results = {name: celery.drive.runs(name)[0]["result"] for name in calls}
    assert (results["starmap"]["value"], results["map"]["value"]) == ([3, 7], [3, 7])
    assert "GroupResult" in results["chunks"]["summary"]


def test_overlap_run_now_and_backfill_work_for_plain_tasks(celery: Plain) -> None:
    celery.worker()
    celery.schedule("plain.whoami", every=timedelta(hours=1), overlap="buffer_all")
    due = celery.run()["due_at"]
    celery.drive.sql.execute(
        """select run_now('mine', with_options => '{"kwargs": {"what": "by hand"}}')"""
    )
    celery.drive.sql.execute("select backfill('mine', %s, %s)", (due - timedelta(hours=2), due))
    wait_for(lambda: celery.drive.work() or len(celery.effects()) == 5, 40.0, 0.1)

    triggers = sorted(run["trigger"] for run in celery.drive.runs("mine"))
    assert triggers == ["backfill", "backfill", "backfill", "manual", "schedule"]
    assert celery.effects().count("by hand") == 1


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_other_pools_keep_the_ledger_too(celery: Plain, pool: str) -> None:
    celery.worker("-P", pool)
    celery.schedule("plain.whoami")
    assert celery.run()["state"] == "succeeded"
    celery.drive.schedule("wrong", task="plain.fails")
    wait_for(lambda: celery.drive.work() or celery.drive.states("wrong") == ["failed"], 20.0, 0.1)
    assert celery.drive.runs("wrong")[0]["error"].startswith("RuntimeError: no luck")


def test_a_message_of_somebody_else_is_left_alone(celery: Plain, plain: Any) -> None:
    celery.worker()
    sent = plain.whoami.apply_async(("freely",), queue="upkeep", task_id=str(uuid.uuid4()))
    wait_for(lambda: celery.effects() == ["freely"], 20.0)
    assert celery.drive.all("select * from run where id = %s", sent.id) == []


def test_a_plain_task_may_use_the_upstream_client_and_holds_no_worker_while_it_waits(
    celery: Plain, imitation: Callable[..., Any]
) -> None:
    sql = celery.drive.sql
    sql.execute(
        "insert into upstream (name, base_url) values ('generic', %s)", (imitation("generic").url,)
    )
    sql.execute("insert into quota values ('generic', '6 seconds', 1)")
    celery.worker()
    celery.schedule("plain.calls", {"args": ["/a"]})
    assert celery.run()["result"]["value"] == 200
    celery.drive.schedule("second", task="plain.calls", options={"kwargs": {"path": "/b"}})
    wait_for(lambda: celery.drive.work() or celery.drive.states("second") == ["succeeded"], 30.0, 0.1)

    assert celery.effects() == ["attempt 0", "attempt 0", "attempt 1"]
    permits = sql.execute("select run_id from permit order by granted_at").fetchall()
    runs = [celery.drive.runs(name)[0]["id"] for name in ("mine", "second")]
    assert [permit["run_id"] for permit in permits] == runs


def test_run_here_does_a_plain_task_in_this_process(celery: Plain, celery_process: Callable[..., Any]) -> None:  # fmt: skip
    celery.schedule("plain.whoami", {"args": ["here"]}, enabled=False)
    celery_process("schedule", "run", "mine", "--here", app=APP)
    wait_for(lambda: celery.drive.states("mine") == ["succeeded"], 30.0)

    run = celery.drive.runs("mine")[0]
    assert run["result"]["value"] == {"id": str(run["id"]), "root": str(run["id"]), "retries": 0}
