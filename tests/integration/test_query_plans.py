"""Beat's steps find their rows by indexes: none reads a whole table, however long it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from beat import edits
from beat.tick import conclude, readiness, reading, release, request_handlers, samples, schedule_states
from console import sql
from tests.support.beat import Drive
from workers.connections.postgres import FAVOUR_INDEXES
from workers.db import array, driver_connect, engine, transaction
from workers.ledger import (
    edited,
    ended,
    finished,
    machine_locks,
    planned,
    renewed,
    runs,
    sent,
    stopped,
    taken,
    waiting,
)

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
                         deadline_at, expires_at)
        select gen_random_uuid(), 's-' || n, 'tests.noop', 'schedule', now(),
               case when n % 100 = 0 then 'held' when n % 50 = 1 then 'running' else 'succeeded' end,
               'upkeep', case when n % 100 > 0 and n % 50 <> 1 then now() end, n % 1000 > 2, now(), now()
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

#: "Far below" what Postgres's jit_above_cost is by default, 100,000.
HIGHEST_COST = 20_000
#: No table of a tick is read as a whole, not even one of a single row: before Postgres 18 a scan that
#: cannot be avoided is thought to cost 10^10.
ANY = (*LARGE, "pause_switch", "upstream", "upstream_state", "task_kind", "quota", "machine_lock")
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)

NAMES = [f"s-{number}" for number in range(1, 1001)]
GONE = "00000000-0000-4000-8000-000000000000"
IDS = array([GONE] * 1000)
NUMBERS = array([0] * 1000)

LOWS = {
    f"low_{name}": None for name in ("claim", "send", "ended", "deadline", "expiry", "lease", "left")
}
SERVED = {
    "queues": ["upkeep"],
    "tasks": ["tests.noop"],
    "limit": 40,
    "patience": 2 * SECOND,
    "low": None,
}

PLACES = [f"({page},1)" for page in range(1000)]

#: Those of a session, and for queues that a worker of an older release serves.
NOT_OF_A_TICK = {
    "candidates",
    "other runs",
    "newest",
    "shut",
    "take",
    "end",
    "renew",
    "left in",
    "mark",
}

STATEMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "claim": (schedule_states.LOCK_DUE, {"limit": 1000, "low": None}),
    "claim newest": (schedule_states.LOCK_NEWEST, {"limit": 1000, "low": None}),
    "read": (schedule_states.READ, {"places": PLACES}),
    "lock": (schedule_states.LOCK_NAMED, {"names": NAMES}),
    "create": (schedule_states.CREATE, {"names": NAMES}),
    "slice": (schedule_states.SLICE, {"after": "s-5", "slice": 10_000, "limit": 1000}),
    "advance": (
        schedule_states.ADVANCE,
        {
            "names": array(NAMES),
            "nexts": array([None] * 1000),
            "claims": array([None] * 1000),
            "lasts": array([None] * 1000),
            "runs": NUMBERS,
        },
    ),
    "advance in place": (
        schedule_states.ADVANCE_IN_PLACE,
        {
            "places": PLACES,
            "nexts": array([None] * 1000),
            "claims": array([None] * 1000),
            "lasts": array([None] * 1000),
            "runs": NUMBERS,
        },
    ),
    "ready": (readiness.STATEMENT, {**LOWS, "resend": 10 * SECOND}),
    "next claim": (schedule_states.NEXT_CLAIM, LOWS),
    "edits": (edits.OPEN, {"limit": 1000}),
    "consume": (edits.CONSUME, {"ids": list(range(1000)), "names": NAMES}),
    "active runs": (runs.COUNT_ACTIVE, {"names": NAMES}),
    "requests": (request_handlers.OPEN, {"limit": 50}),
    "ended": (finished.UNCOUNTED, {"limit": 1000, "low": None}),
    "counted": (finished.COUNT, {"ids": IDS}),
    "followers": (conclude.FOLLOWERS, {"names": NAMES}),
    "stopping": (stopped.STOPPING, {"limit": 1000}),
    "overdue": (stopped.OVERDUE, {"limit": 1000, "low": None}),
    "late": (finished.LATE, {"limit": 1000, "low": None}),
    "expire": (finished.EXPIRE, {"ids": IDS, "reasons": NUMBERS}),
    "held": (release.READY, {"limit": 1000}),
    "release": (planned.RELEASE_HELD, {"names": NAMES, "after": 10.0}),
    "next permit": (waiting.NEXT_PERMIT, {}),
    "blocked": (waiting.BLOCKED, {"long": MINUTE, "shut": MINUTE}),
    "upstreams": (waiting.UPSTREAMS, {}),
    "let go": (waiting.RELEASE, {"upstream": "head_fi"}),
    "edited": (edited.CHANGED, {"names": NAMES}),
    "edited runs": (edited.STILL, {"names": NAMES}),
    "announce": (sent.ANNOUNCE, {"limit": 1000, "low": None, "after": 10.0}),
    "look for": (sent.LOOKED_FOR, {"limit": 1000, "low": None}),
    "left": (sent.LEFT, {"before": datetime.now(UTC)}),
    "left in": (sent.LEFT_IN, {"before": datetime.now(UTC), "queues": ["upkeep"], "limit": 500}),
    "candidates": (taken.CANDIDATES, SERVED),
    "other runs": (taken.OTHER_RUNS, {**SERVED, "runs": IDS}),
    "newest": (taken.NEWEST, SERVED),
    "shut": (taken.PARK_SHUT, SERVED),
    "take": (
        taken.TAKE,
        {"ids": IDS, "seqs": NUMBERS, "worker": "w", "lease": MINUTE, "alone": False},
    ),
    "end": (
        ended.END_WHOLE,
        {"ends": json.dumps([{"run_id": GONE, "seq": 0, "fence": 1}] * 16), "ids": array([GONE] * 16)},
    ),
    "renew": (renewed.RENEW, {"length": MINUTE, "ids": IDS, "seqs": NUMBERS, "fences": NUMBERS}),
    "mark": (
        sent.MARK,
        {"ids": IDS, "seqs": NUMBERS, "fences": NUMBERS, "after": 10.0, "max": 60.0},
    ),
    "next send": (sent.NEXT_SEND, LOWS),
    "take turns": (machine_locks.TRY, {"name": "release head_fi"}),
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


#: As the driver sends them; the others as text without a type.
TYPES = {datetime: "timestamptz", timedelta: "interval"}


def explain(connection: Any, name: str, mode: str) -> dict[str, Any]:
    """The plan of one statement, made for its values (custom) or for any (generic), and carried out."""
    statement, parameters = STATEMENTS[name]
    places: list[str] = []

    def place(match: re.Match[str]) -> str:
        if match.group(1) not in places:
            places.append(match.group(1))
        return f"${places.index(match.group(1)) + 1}"

    connection.execute(f"set plan_cache_mode = force_{mode}_plan")
    cursor = psycopg.ClientCursor(connection)
    with connection.transaction(force_rollback=True):
        now = connection.execute("select clock_timestamp() as now").fetchone()["now"]
        values = {"now": now, **parameters}
        numbered = re.sub(r"%\((\w+)\)s", place, statement)
        types = ", ".join(TYPES.get(type(values[one]), "unknown") for one in places)
        given = ", ".join("%s" for _ in places)
        cursor.execute(f"prepare examined{types and f'({types})'} as {numbered}")
        cursor.execute(
            f"explain (analyze, buffers, format json) execute examined{given and f'({given})'}",
            [values[one] for one in places],
        )
        found: dict[str, Any] = cursor.fetchone()["QUERY PLAN"][0]
        connection.execute("deallocate examined")
    return found


def unfit(name: str, plan: dict[str, Any], tables: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the plan of a statement, in words."""
    whole = [table for table in scans(plan) if table in tables]
    if whole:
        yield f"{name} reads all of {', '.join(whole)}"
    if buffers(plan) > 60_000:
        yield f"{name} touches {buffers(plan)} pages"
    if thrown_away(plan) > 10 * MANY:
        yield f"{name} compares {thrown_away(plan):,.0f} rows in vain"
    if plan["Total Cost"] > HIGHEST_COST:
        yield f"{name} is thought to cost {plan['Total Cost']:,.0f}"


#: States of a database, and how to come to each from the one before.  What is known of a table may be
#: years behind what is in it.
STATES = {
    "new": ("alter table schedule set (autovacuum_enabled = off)",
            "alter table run set (autovacuum_enabled = off)",
            "alter table batch set (autovacuum_enabled = off)"),
    "empty": ("vacuum analyze",),
    "filled": FILL[:-1],
    "analyzed": FILL[-1:],
}  # fmt: skip


def indexes(node: dict[str, Any]) -> set[str]:
    """Indexes that a plan reads."""
    here = {node["Index Name"]} if "Index Name" in node else set()
    return here.union(*(indexes(child) for child in node.get("Plans", [])))


#: Indexes of `run` and `batch` that no statement above reads: two are constraints, the others are for lists
#: of runs in psql and the console.
OF_OTHERS = {
    "run_one_per_due_time", "run_one_exclusive", "run_by_schedule", "run_by_creation", "run_failures",
    "run_by_end_state", "run_by_trigger",
}  # fmt: skip
INDEXES = "select indexrelname as name from pg_stat_user_indexes where relname in ('run', 'batch')"


def walks(node: dict[str, Any]) -> Iterator[str]:
    """Tables that a plan reads from end to end in the order of their key."""
    if node.get("Index Name", "").endswith("_pkey") and "Index Cond" not in node:
        yield node["Relation Name"]
    for child in node.get("Plans", []):
        yield from walks(child)


def of_long_tables(connection: Any) -> Iterator[str]:
    """What is wrong with plans of statements that may read small tables as a whole, but no long one."""
    now = datetime.now(UTC)
    given = dict.fromkeys(("run", "queue", "worker", "upstream", "state", "after_run_id", "after_seq"))
    open_batches = sql.statement("runs.all_batches").compile(dialect=PGDialect_psycopg())
    asked = {
        **{f"samples of {name}": (one, {"at": now, "now": now, "before": now}) for name, one in samples._SQL.items()},
        "the console's batches": (str(open_batches), {**given, "limit": 51}),
    }  # fmt: skip
    with connection.transaction():
        connection.execute("set local enable_seqscan = on")
        for name, (statement, values) in asked.items():
            found = connection.execute("explain (format json) " + statement, values).fetchone()
            plan = found["QUERY PLAN"][0]["Plan"]
            whole = {*scans(plan), *walks(plan)}.intersection(LARGE)
            if whole:
                yield f"{name}: all of {', '.join(whole)} is read"


def test_no_step_reads_a_whole_table_and_each_index_is_read(connection: Any) -> None:
    """Whatever is known of the tables; with plans for the values of now, and for any."""
    connection.execute(FAVOUR_INDEXES)
    wrong, read = [], set[str]()
    for state, steps in STATES.items():
        for statement in steps:
            connection.execute(statement)
        for mode in ("custom", "generic"):
            for name in STATEMENTS:
                plan = explain(connection, name, mode)["Plan"]
                wrong += [f"{state}, {mode}: {what}" for what in unfit(name, plan, ANY)]
                read |= indexes(plan)
    wrong += of_long_tables(connection)
    assert not wrong, "\n".join(wrong)
    assert {row["name"] for row in connection.execute(INDEXES)} - read <= OF_OTHERS


def test_short_statements_of_a_worker_favour_indexes_and_those_of_a_kind_do_not(database: Any) -> None:
    asked = "select current_setting('enable_seqscan') || current_setting('enable_hashjoin')"
    with driver_connect() as short:
        assert short.execute(asked).fetchone() == ("offoff",)
    with transaction() as own:
        assert own.exec_driver_sql(asked).scalar() == "onon"


def test_a_tick_and_a_take_are_planned_once(database: Any) -> None:
    """Left to itself, Postgres plans each anew once it knows the tables to be large."""
    planned = "select sum(custom_plans)::int, sum(generic_plans)::int from pg_prepared_statements"
    with driver_connect() as short:
        for _ in range(3):
            taken.candidates(short, ["upkeep"], ["tests.noop"], 20, 2.0)
        assert short.execute(planned).fetchone() == (0, 3)
    with reading.connect() as beat:
        beat.prepare_threshold = 0
        for _ in range(3):
            readiness.ask(beat)
        beat.prepare_threshold = None
        assert beat.execute(planned).fetchone() == (0, 3)


@pytest.mark.parametrize("mode", ["custom", "generic"])
def test_no_statement_of_a_tick_is_compiled(connection: Any, mode: str) -> None:
    """With the server's defaults: ours switch it off besides, so here it is switched on."""
    can_compile(connection)
    for statement in FILL:
        connection.execute(statement)
    connection.execute(FAVOUR_INDEXES)
    connection.execute("set jit = on")
    plans = {name: explain(connection, name, mode) for name in STATEMENTS}

    assert [name for name, plan in plans.items() if "JIT" in plan] == []


def can_compile(connection: Any) -> None:
    """Skip, and say so, on a server that compiles nothing whatever is asked of it."""
    connection.execute("set jit = on")
    if not connection.execute("select pg_jit_available() as can").fetchone()["can"]:
        version = connection.execute("show server_version").fetchone()["server_version"]
        pytest.skip(
            f"Postgres {version} was built without LLVM and compiles nothing: `make stock STOCK=/usr/lib/postgresql/15/bin`"
            " tests this"
        )


class Explaining:
    """Every statement of beat's connections with the plan that it had, also inside functions."""

    def __init__(self, mode: str) -> None:
        self.plans: list[dict[str, Any]] = []
        self._mode = mode

    def prepare(self, administrator: Any) -> None:
        """Sessions that begin from now on load what only an administrator may."""
        database = administrator.execute("select current_database() as name").fetchone()["name"]
        for name, value in {
            "session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
            "auto_explain.log_analyze": "on", "auto_explain.log_nested_statements": "on",
            "auto_explain.log_format": "json",
        }.items():  # fmt: skip
            administrator.execute(f"alter database {database} set {name} = '{value}'")

    def begin(self, connection: Any) -> None:
        """Explain all that this connection is asked; with the server's default of jit."""
        for name, value in {
            "client_min_messages": "log", "jit": "on", "plan_cache_mode": f"force_{self._mode}_plan",
        }.items():  # fmt: skip
            connection.execute("select set_config(%s, %s, false)", (name, value))
        connection.add_notice_handler(self._told)

    def _told(self, said: Any) -> None:
        head, _, plan = (said.message_primary or "").partition("plan:\n")
        if head.startswith("duration"):
            self.plans.append(json.loads(plan))


@pytest.fixture
def explaining(request: Any, drive: Drive, monkeypatch: pytest.MonkeyPatch) -> Explaining:
    """Both of beat's connections explain all that they are asked."""
    found = Explaining(request.param)
    found.prepare(drive.sql)
    connect = reading.connect

    def explained() -> Any:
        connection = connect()
        found.begin(connection)
        return connection

    monkeypatch.setattr("beat.scheduler.connect", explained)

    def begin(driver: Any, _: Any) -> None:
        driver.autocommit = True
        found.begin(driver)
        driver.autocommit = False

    event.listen(engine(), "connect", begin)
    return found


def live(drive: Drive) -> None:
    """Let something happen for every step of a tick."""
    monday = drive.now() + timedelta(hours=1)
    drive.kind("tests.limited", max_running=1)
    for name, columns in {
        "due": {"starts_at": drive.now() - timedelta(hours=3), "catch_up": "all"}, "follower": {"after": "due"},
        "kept": {"task": "tests.limited"}, "held": {"task": "tests.limited"}, "slow": {"timeout": MINUTE},
        "stopped": {}, "lost": {}, "parked": {}, "late": {"expires": MINUTE}, "later": {"starts_at": monday, "overlap": "buffer_all"},
    }.items():  # fmt: skip
        drive.schedule(name, **columns)
    drive.work(rounds=3)
    drive.start("slow")
    drive.start("lost")
    drive.end("due")
    drive.sql.execute(
        "select run_now('later'), run_now('later'), stop_run(id) from run where schedule = 'stopped'"
    )
    drive.sql.execute(
        "update batch set state = 'waiting', waiting_for = 'head_fi', send_at = null"
        " where run_id = (select id from run where schedule = 'parked')"
    )
    drive.sql.execute(
        "update upstream_state set next_permit_at = clock_timestamp() where upstream = 'head_fi'"
    )
    drive.edit("slow", priority=9)
    drive.work(rounds=3)
    drive.end("kept")
    drive.end("held")
    drive.work(rounds=2)
    # More comes due than one tick may claim.
    drive.scheduler._begin().claims_all = False
    drive.work(after=timedelta(hours=2))
    # The follower starts.
    drive.end("due")
    drive.work()
    assert drive.one("select state from run where schedule = 'follower'")["state"] == "due"


@pytest.mark.parametrize("explaining", ["custom", "generic"], indirect=True)
def test_no_statement_of_a_real_tick_is_costly_or_compiled(
    drive: Drive, explaining: Explaining, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "beat.tick.steps.settings", lambda: SimpleNamespace(lease_seconds=-1, sweep_seconds=0)
    )
    live(drive)
    said = {numberless(plan["Query Text"]) for plan in explaining.plans}
    costly = [
        plan["Query Text"] for plan in explaining.plans if plan["Plan"]["Total Cost"] > HIGHEST_COST
    ]
    compiled = [plan["Query Text"] for plan in explaining.plans if "JIT" in plan]
    of_beat = [text for name, (text, _) in STATEMENTS.items() if name not in NOT_OF_A_TICK]
    meant = [*of_beat, "b.state = 'running' and b.lease_until <"]
    missed = [text for text in map(numberless, meant) if not any(text in one for one in said)]

    assert (costly, compiled, missed) == ([], [], [])
    can_compile(drive.sql)


def numberless(statement: str) -> str:
    """As it is written here and as the server was asked: parameters by name or by number."""
    return re.sub(r"%\(\w+\)s|\$\d+", "$", " ".join(statement.split()))


@pytest.mark.parametrize("name", ["claim", "edits", "requests", "ended", "announce", "next claim"])
def test_an_idle_tick_touches_few_pages(connection: Any, name: str) -> None:
    connection.execute("insert into task_kind (name, description, options_schema, queue)"
                       " values ('tests.noop', 'x', '{}', 'upkeep')")  # fmt: skip
    assert buffers(explain(connection, name, "custom")["Plan"]) < 20


def read_through(node: dict[str, Any]) -> list[str]:
    """Indexes that a plan reads from end to end."""
    whole = "Index Name" in node and not {"Index Cond", "Recheck Cond"} & node.keys()
    below = (name for child in node.get("Plans", []) for name in read_through(child))
    return [*([node["Index Name"]] if whole else []), *below]


@pytest.mark.parametrize("mode", ["custom", "generic"])
@pytest.mark.parametrize("name", ["take", "renew"])
def test_a_take_that_is_planned_while_the_tables_are_empty_reads_by_key(
    connection: Any, name: str, mode: str
) -> None:
    connection.execute("vacuum analyze run, batch")
    connection.execute(FAVOUR_INDEXES)
    plan = explain(connection, name, mode)["Plan"]
    assert (read_through(plan), scans(plan)) == ([], [])


def test_the_newest_runs_and_the_queues_are_shown_without_reading_all_runs(connection: Any) -> None:
    connection.execute(
        "with made as (insert into run (id, task, trigger, due_at, state, queue, finished_at, created_at)"
        " select gen_random_uuid(), 'tests.noop', 'manual', now(), 'succeeded', 'upkeep', now(),"
        "        now() - n * interval '1 s' from generate_series(1, 20000) n returning id)"
        " insert into batch (run_id, seq, task, queue, state)"
        " select id, 0, 'tests.noop', 'upkeep', 'done' from made"
    )
    connection.execute("analyze run, batch")
    for view in ("recent_runs", "queue_status"):
        # What a session reads of the catalog at first is not counted.
        connection.execute(f"select * from {view} limit 50")
        (plan,) = connection.execute(
            f"explain (analyze, buffers, format json) select * from {view} limit 50"
        ).fetchone()["QUERY PLAN"]
        assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 100, plan
