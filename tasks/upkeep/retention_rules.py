"""What is kept how long: name of a rule → option that says how many days, and what deletes.

The tables of a watch are in its ``watch.py``; all others stand here.
"""

from collections.abc import Mapping

from tasks.watches import registry
from tasks.watches.deletes import rows, whole_partitions
from tasks.watches.watch import Days, Delete

#: Deleting a run deletes its batches.  The newest run of each schedule stays.
_NOT_NEWEST = """(run.schedule is null or exists (
    select from run later where later.schedule = run.schedule and later.created_at > run.created_at))"""
_GOOD = f"finished_at < :before and state not in ('failed', 'partial') and {_NOT_NEWEST}"
_BAD = f"finished_at < :before and state in ('failed', 'partial') and {_NOT_NEWEST}"

_WATCHES = registry.by_domain().values()

DAYS: Mapping[str, Days] = {
    "run_days": Days(30, "Runs; a schedule's newest always stays"),
    "failed_run_days": Days(90, "Failed and partial runs, outcomes, sent notices"),
    "permit_days": Days(60, "Calls; no quota looks back 32 days", minimum=32),
    "change_days": Days(365, "Who changed which schedule; matches, incidents"),
    **{name: days for watch in _WATCHES for name, days in watch.days.items()},
}

RULES: Mapping[str, tuple[str, Delete]] = {
    "runs": ("run_days", rows("run", "id", _GOOD, "created_at")),
    "failed runs": ("failed_run_days", rows("run", "id", _BAD, "created_at")),
    "requests": ("failed_run_days", rows("run_request", "id", "answered_at < :before", "id")),
    "permits": ("permit_days", whole_partitions("permit")),
    "changes": ("change_days", rows("change", "id", "changed_at < :before", "changed_at")),
    "run counts": ("change_days", rows("run_count", "day, task, state", "day < :before")),
    "heartbeats": ("run_days", rows("heartbeat", "name", "seen_at < :before")),
    "notices": (
        "failed_run_days",
        rows("notice", "id", "created_at < :before and state in ('sent', 'dropped', 'dead')", "id"),
    ),
    "matches": ("change_days", rows("match", "id", "matched_at < :before", "id")),
    "incidents": ("change_days", rows("incident", "id", "closed_at < :before", "id")),
    **{name: rule for watch in _WATCHES for name, rule in watch.retention.items()},
}
