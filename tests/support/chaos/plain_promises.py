"""What must hold of plain Celery tasks: what their bodies noted, and what the ledger says of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from tests.support.chaos import plain
from tests.support.chaos.cluster import Cluster

#: What takes a batch back says so with these words.
LEASE_LOST = ("its worker ", "its lease ended ", "its process ended ")
#: A body that is stopped is not ended by its worker at once: its thread looks for a stop once a third of
#: a lease, and asks twice (seconds).
STOPPED_WITHIN = 8.0
#: What a task may fail with when nobody hurts its worker.
FAILS = {"plain-auto": "OSError: the disk is away", "plain-failing": "RuntimeError: no luck",
         "plain-endless": "TimeLimitExceeded"}  # fmt: skip
#: What a task returns.
RETURNS = {"plain-quick": 0.05, "plain-long": 8.0, "plain-newest": 8.0, "plain-retried": 2.0}
#: Celery's retries that a run has when nothing is lost.
RETRIES = {"plain-retried": 2, "plain-auto": 2}

RUNS = """
select r.id::text as id, r.schedule, r.state, r.error, r.traceback, r.reason, r.result -> 'value' as value,
       b.fence, b.retries, b.worker, r.max_attempts, k.acks_late,
       extract(epoch from r.started_at)::float8 as began, extract(epoch from r.finished_at)::float8 as ended
  from run r join batch b on b.run_id = r.id join task_kind k on k.name = r.task
 where r.task like 'chaos.plain%'
"""


def bodies_begin_once(cluster: Cluster, sql: Any) -> Iterator[str]:
    """A body begins at most once a claim; again after a failure or a lost lease alone, which is said."""
    # Bodies first: one that begins between the two readings has its claim already.
    begun = Counter((row["run_id"], row["retries"]) for row in _bodies(cluster, "began"))
    runs = {row["id"]: row for row in sql.execute(RUNS)}
    claims: Counter[tuple[str, int]] = Counter()
    #: What made the batch of a run ready again, since it was claimed last.
    again: dict[str, Any] = {}
    for row in sql.execute("select c.*, c.run_id::text as run from chaos_plain c order by id"):
        run = runs.get(row["run"])
        if run is None:
            continue
        if row["was"] == "running" and row["state"] != "running":
            again[row["run"]] = row
        elif row["state"] == "running":
            key = (row["run"], row["retries"])
            claims[key] += 1
            before = again.pop(row["run"], None)
            if claims[key] > 1:
                yield from _why_again(run, before)
    for key, number in begun.items():
        if key[0] in runs and number > claims[key]:
            yield f"run {key[0]} retry {key[1]}: {number} bodies, {claims[key]} claims"


def _why_again(run: Any, before: Any) -> Iterator[str]:
    where = f"{run['schedule']} {run['id']}"
    error = (before or {}).get("error") or ""
    if before is None:
        yield f"{where} was begun again while it ran"
    elif before["failed"] and not error.startswith(LEASE_LOST):
        if run["max_attempts"] == 1:
            yield f"{where} was begun again after a failure: {error}"
    elif not error.startswith(LEASE_LOST):
        yield f"{where} was begun again though its lease was not lost: {error}"
    elif not (run["acks_late"] or run["max_attempts"] > 1):
        yield f"{where} may not begin again, and did: {error}"
    elif f"begun again: {error}" not in (run["reason"] or ""):
        yield f"{where} was begun again and does not say so: {error}; reason: {run['reason']}"


def stopped_bodies_end(cluster: Cluster, sql: Any) -> Iterator[str]:
    """The body of a run that was stopped, or is over its time, does not go on."""
    ends: dict[str, list[Any]] = defaultdict(list)
    for row in _bodies(cluster, "ended"):
        ends[row["run_id"]].append(row)
    for run in sql.execute(RUNS):
        for body in ends[run["id"]]:
            if run["ended"] is None or run["state"] not in {"stopped", "failed"}:
                continue
            late = body["at"] - run["ended"]
            if late > STOPPED_WITHIN and not _excused(
                cluster, body["worker"], run["began"], body["at"]
            ):
                yield f"{run['schedule']} {run['id']} is {run['state']}, its body ended {late:.1f} s later"


def results_are_recorded(cluster: Cluster, sql: Any) -> Iterator[str]:
    """What Celery makes of a task is in the ledger: result, error, traceback, retries."""
    ends = Counter((row["run_id"], row["retries"]) for row in _bodies(cluster, "ended"))
    for run in sql.execute(RUNS):
        where, schedule = f"{run['schedule']} {run['id']}", run["schedule"]
        if run["state"] == "succeeded":
            if run["value"] != RETURNS.get(schedule):
                yield f"{where} has succeeded with {run['value']}, expected {RETURNS.get(schedule)}"
            for retry in range(RETRIES.get(schedule, 0) + 1):
                if not ends[run["id"], retry]:
                    yield f"{where} has succeeded, no body came to the end of retry {retry}"
            if run["retries"] != RETRIES.get(schedule, 0):
                yield f"{where} has succeeded with {run['retries']} retries"
        elif run["state"] == "failed":
            yield from _why_failed(cluster, run, where)
        elif run["state"] == "stopped" and not (run["error"] or run["reason"]):
            yield f"{where} is stopped and does not say why"


def _why_failed(cluster: Cluster, run: Any, where: str) -> Iterator[str]:
    error, expected = run["error"] or "", FAILS.get(run["schedule"])
    if expected and error.startswith(expected):
        if not run["traceback"] and not error.startswith("TimeLimit"):
            yield f"{where} has failed without a traceback"
        if run["retries"] != RETRIES.get(run["schedule"], 0):
            yield f"{where} has failed after {run['retries']} retries"
    elif error.startswith("the task raised Reject: Error 111 connecting"):
        # Celery could not send the retry: the broker was away.
        return
    elif run["began"] is None:
        yield f"{where} has failed and never began: {error}"
    elif run["schedule"] == "plain-endless" and error.startswith("not finished within its timeout"):
        return
    elif not _excused(cluster, run["worker"], run["began"], run["ended"]):
        yield f"{where} has failed though nothing hurt {run['worker']}: {error}"


def _excused(cluster: Cluster, worker: str, since: float, until: float) -> bool:
    return cluster.was_hurt(worker, since, until) or cluster.was_away(since, until)


def _bodies(cluster: Cluster, what: str) -> list[dict[str, Any]]:
    return [row for row in plain.bodies(cluster.folder) if row["what"] == what]


def figures(cluster: Cluster) -> dict[str, int]:
    with cluster.sql() as sql:
        runs = list(sql.execute(RUNS))
    return {
        "runs": len(runs),
        "bodies": len(_bodies(cluster, "began")),
        "begun_again": sum("begun again" in (run["reason"] or "") for run in runs),
        "after_lost_lease": sum("lease was lost" in (run["reason"] or "") for run in runs),
        **Counter(run["state"] for run in runs),
    }


ALWAYS = (bodies_begin_once, stopped_bodies_end)
AT_REST = (results_are_recorded,)
