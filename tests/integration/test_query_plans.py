"""Beat's steps find their rows by indexes: none reads a whole table, however long it is."""

from __future__ import annotations

from typing import Any

import pytest

from beat import answers, edits, ending, ledger, outbox, reading, releasing, reshaping, states

MANY = 100_000
LARGE = ("schedule", "schedule_state", "schedule_edit", "run", "batch", "run_request", "permit")

FILL = (
    """insert into task_kind (name, description, options_schema, queue)
       values ('tests.noop', 'x', '{}', 'upkeep')""",
    "alter table schedule disable trigger all",
    f"""insert into schedule (name, task, every, revision, after)
        select 's-' || n, 'tests.noop', case when n % 50 > 0 then interval '1 hour' end, 1,
               case when n % 50 = 0 then 's-' || (n - 1) end
          from generate_series(1, {MANY}) n""",
    "alter table schedule enable trigger all",
    """insert into schedule_state (schedule, planned_revision, anchor_at, next_run_at, claim_at)
       select name, 1, now(), now() + random() * interval '1 hour', now() + random() * interval '1 hour'
         from schedule""",
    f"""insert into run (id, schedule, task, trigger, due_at, state, queue, finished_at, counted,
                         deadline_at)
        select gen_random_uuid(), 's-' || n, 'tests.noop', 'schedule', now(),
               case when n % 100 = 0 then 'held' when n % 50 = 1 then 'running' else 'succeeded' end,
               'upkeep', case when n % 100 > 0 and n % 50 <> 1 then now() end, n % 1000 > 2, now()
          from generate_series(1, {MANY}) n""",
    """insert into batch (run_id, seq, task, queue, state, send_at, lease_until)
       select id, 0, task, queue, case when state = 'running' then 'running' else 'done' end, null,
              case when state = 'running' then now() + random() * interval '1 minute' end from run""",
    """insert into batch (run_id, seq, task, queue, state, send_at)
       select id, 1, task, queue, 'sent', now() + random() * interval '1 hour' from run limit 20000""",
    """insert into run_request (action, schedule, answered_at)
       select 'run', name, now() from schedule limit 20000""",
    "insert into schedule_edit (schedule) select name from schedule limit 20000",
    "analyze",
)

NAMES = [f"s-{number}" for number in range(1, 1001)]
IDS = ledger.array(["00000000-0000-4000-8000-000000000000"] * 1000)
NUMBERS = ledger.array([0] * 1000)

STATEMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "claim": (states.LOCK_DUE, {"limit": 1000}),
    "read": (states.READ, {"names": NAMES}),
    "lock": (states.LOCK_NAMED, {"names": NAMES}),
    "create": (states.CREATE, {"names": NAMES}),
    "sweep": (states.SLICE, {"after": "s-5", "slice": 10_000, "limit": 1000}),
    "advance": (
        states.ADVANCE,
        {
            "names": ledger.array(NAMES),
            "nexts": ledger.array([None] * 1000),
            "claims": ledger.array([None] * 1000),
            "lasts": ledger.array([None] * 1000),
            "runs": NUMBERS,
        },
    ),
    "next claim": (states.NEXT_CLAIM, {}),
    "edits": (edits.OPEN, {"limit": 1000}),
    "consume": (edits.CONSUME, {"ids": list(range(1000)), "names": NAMES}),
    "active runs": (ledger.COUNT_ACTIVE, {"names": NAMES}),
    "requests": (answers.OPEN, {"limit": 50}),
    "ended": (ending.ENDED, {"limit": 1000}),
    "counted": (ending.COUNTED, {"ids": IDS}),
    "followers": (ending.FOLLOWERS, {"names": NAMES}),
    "stopping": (ending.STOPPING.replace(":limit", "%(limit)s"), {"limit": 1000}),
    "overdue": (
        ending.OVERDUE.replace(":limit", "%(limit)s").replace(":now", "%(now)s::timestamptz"),
        {"limit": 1000},
    ),
    "held": (releasing.READY, {"limit": 1000}),
    "release": (releasing.RELEASE, {"names": NAMES}),
    "upstreams": (releasing.UPSTREAMS, {}),
    "let go": (releasing.LET_GO, {"upstream": "head_fi"}),
    "reshape": (reshaping.CHANGED, {"names": NAMES}),
    "reshaped": (reshaping.STILL, {"names": NAMES}),
    "to send": (outbox.TO_SEND, {"limit": 1000}),
    "mark": (
        outbox.MARK,
        {"ids": IDS, "seqs": NUMBERS, "fences": NUMBERS, "after": 10.0, "most": 60.0},
    ),
    "next send": (outbox.NEXT_SEND, {}),
}


def scans(node: dict[str, Any]) -> list[str]:
    """Tables read from end to end in a plan."""
    found = [node["Relation Name"]] if node["Node Type"] == "Seq Scan" else []
    for child in node.get("Plans", []):
        found += scans(child)
    return found


def thrown_away(node: dict[str, Any]) -> float:
    """Most rows that one node of a plan compared and did not want, over all its loops."""
    here = node.get("Rows Removed by Join Filter", 0) + node.get("Rows Removed by Filter", 0)
    below = (thrown_away(child) for child in node.get("Plans", []))
    return max([float(here * node["Actual Loops"]), *below])


def buffers(node: dict[str, Any]) -> int:
    return int(node["Shared Hit Blocks"] + node["Shared Read Blocks"])


def test_no_step_reads_a_whole_table(connection: Any) -> None:
    for statement in FILL:
        connection.execute(statement)
    connection.execute(reading.FAVOUR_INDEXES)
    wrong = []
    for name, (statement, parameters) in STATEMENTS.items():
        with connection.transaction(force_rollback=True):
            now = connection.execute("select clock_timestamp() as now").fetchone()["now"]
            plan = connection.execute(
                f"explain (analyze, buffers, format json) {statement}", {"now": now, **parameters}
            ).fetchone()["QUERY PLAN"][0]["Plan"]
        whole = [table for table in scans(plan) if table in LARGE]
        if whole:
            wrong.append(f"{name} reads all of {', '.join(whole)}")
        if buffers(plan) > 60_000:
            wrong.append(f"{name} touches {buffers(plan)} pages")
        if thrown_away(plan) > 10 * MANY:
            wrong.append(f"{name} compares {thrown_away(plan):,.0f} rows in vain")
    assert not wrong, "; ".join(wrong)


@pytest.mark.parametrize("name", ["claim", "edits", "requests", "ended", "to send", "next claim"])
def test_an_idle_tick_touches_few_pages(connection: Any, name: str) -> None:
    connection.execute("insert into task_kind (name, description, options_schema, queue)"
                       " values ('tests.noop', 'x', '{}', 'upkeep')")  # fmt: skip
    statement, parameters = STATEMENTS[name]
    with connection.transaction(force_rollback=True):
        now = connection.execute("select clock_timestamp() as now").fetchone()["now"]
        plan = connection.execute(
            f"explain (analyze, buffers, format json) {statement}", {"now": now, **parameters}
        ).fetchone()["QUERY PLAN"][0]["Plan"]
    assert buffers(plan) < 20
