"""Servers of our own for a measurement, migrated and empty, and beats as processes."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from sandbox.postgres import PostgresServer
from sandbox.processes import Process
from sandbox.valkey import ValkeyServer
from tests.support import bench_history_fill
from tests.support.servers import start_server
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]

KIND = "tests.noop"
#: A plain Celery task that does nothing (tests/support/app_plain.py).
PLAIN = "plain.noop"


class BenchEnvironment:
    """Where a bench runs: a database, a broker, and the beats it starts."""

    def __init__(self, folder: Path, postgres: PostgresServer, valkey: ValkeyServer) -> None:
        self.folder, self.postgres, self.valkey = folder, postgres, valkey
        self.sql = self._administrator()
        #: Since when runs are the bench's own; None: all are.
        self.began: Any = None
        self._beats: list[Process] = []
        self._others: list[Process] = []

    def empty(self) -> None:
        """No schedules, no heartbeats, no messages; no runs but the history that the bench filled in."""
        self.sql.execute("truncate heartbeat, run_request")
        self.renew()
        self.valkey.flush()

    def renew(self) -> None:
        """No schedules, and no runs but the history that the bench filled in."""
        if self.began is None:
            self.sql.execute("truncate schedule, run, schedule_edit, change cascade")
            return
        self.sql.execute("alter table schedule disable trigger user")
        self.sql.execute("delete from schedule_state")
        self.sql.execute("delete from schedule")
        self.sql.execute("alter table schedule enable trigger user")
        self.sql.execute("truncate schedule_edit, change")
        self.sql.execute("delete from run where created_at > %s", (self.began,))

    def keep_history(self) -> None:
        """What there is of runs now is history: ``empty`` and ``renew`` leave it."""
        self.began = self.value("select clock_timestamp()")

    @property
    def since(self) -> Any:
        """No run of the bench itself was made before."""
        return self.began or "-infinity"

    def age(self) -> None:
        """Tables as when vacuum lags, and generic plans; nothing is cleaned up from now on."""
        bench_history_fill.age(self.sql, KIND)
        self.keep_history()

    def load(
        self, number: int, next_in: str, every: str = "1 hour", task: str = KIND, **columns: Any
    ) -> None:
        """``number`` schedules planned already, first due after the SQL interval ``next_in``."""
        row = {"overlap": "allow_all", "catch_up": "all", "revision": 1, **columns}
        self.sql.execute("alter table schedule disable trigger user")
        self.sql.execute(
            f"insert into schedule (name, task, every, {', '.join(row)})"
            f" select 's-' || n, '{task}', '{every}', {', '.join(f'%({name})s' for name in row)}"
            f" from generate_series(1, {number}) n",
            row,
        )
        self.sql.execute("alter table schedule enable trigger user")
        self.sql.execute(
            "insert into schedule_state (schedule, planned_revision, anchor_at, next_run_at, claim_at)"
            f" select name, 1, due, due, due from (select name, clock_timestamp() + {next_in} as due"
            " from (select name, row_number() over () as n from schedule) numbered) s"
        )
        # Tables that are to be old are not cleaned up here.
        self.sql.execute("vacuum analyze" if self.began is None else "analyze schedule, schedule_state")
        self.sql.execute("checkpoint")

    def beat(self, **env: str) -> Process:
        """Start one more beat; it is up when it has given its sign."""
        name = f"beat{len(self._beats)}"
        process = Process(
            [sys.executable, "-m", "celery", "-A", "workers.app", "beat", "-n", f"{name}@bench"],
            log=self.folder / f"{name}.log",
            cwd=ROOT,
            env=env,
        )
        process.start()
        self._beats.append(process)
        self.until(lambda: self.value("select count(*) from heartbeat where name like %s", f"{name}@%"))
        return process

    def program(self, name: str, *command: str, **env: str) -> Process:
        """Start ``python -m command``; it ends with the bench."""
        process = Process(
            [sys.executable, "-m", *command], log=self.folder / f"{name}.log", cwd=ROOT, env=env
        )
        process.start()
        self._others.append(process)
        return process

    def worker(
        self,
        processes: int,
        slots: int,
        *options: str,
        app: str = "tests.support.kinds",
        queue: str = "upkeep",
    ) -> Process:
        """Start one more worker, of the tests' kinds; it is up when it has given its sign."""
        name = f"w{len(self._others)}"
        process = self.program(
            name, "celery", "-A", app, "worker", "-Q", queue, "-n", f"{name}@bench",
            "-c", str(processes), "-O", "fair", "--without-gossip", "--without-mingle", *options,
            WATCHKEEPER_SLOTS=str(slots),
        )  # fmt: skip
        self.until(lambda: self.value("select count(*) from heartbeat where name like %s", f"{name}@%"))
        return process

    def stop_others(self) -> None:
        for process in self._others:
            process.stop()
        self._others.clear()

    def register_kinds(self) -> None:
        """The tests' kinds, as the migrate step registers those of the product."""
        import tests.support.kinds  # noqa: F401 - registers them
        from workers.db import transaction
        from workers.ledger import kinds
        from workers.migrate import registered

        with transaction() as connection:
            kinds.register(connection, registered(), relaxed=True)

    def stop_beats(self) -> None:
        for beat in self._beats:
            beat.stop()
        self._beats.clear()
        self.sql.execute("truncate heartbeat")

    def crash_postgres(self) -> None:
        """Kill -9 of its main process, and back again."""
        self.sql.close()
        self.postgres.kill()
        self.postgres.start()
        self.sql = self._administrator()

    def _administrator(self) -> psycopg.Connection[Any]:
        """Its statements are planned for their values: a plan for any time reads all of a long history."""
        return psycopg.connect(
            self.postgres.url(), autocommit=True, options="-c plan_cache_mode=force_custom_plan"
        )

    def beats_cpu(self) -> float:
        """CPU seconds of the beats that are up."""
        return sum(cpu_seconds(beat.pid) for beat in self._beats)

    def postgres_cpu(self) -> float:
        """CPU seconds of the server and its backends so far, ended ones too."""
        assert self.postgres.process is not None
        main = self.postgres.process.pid
        ended = sum(map(int, _stat(main)[13:15])) / os.sysconf("SC_CLK_TCK")
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return ended + sum(cpu_seconds(int(pid)) for pid in (main, *children))

    def value(self, query: str, *values: Any) -> Any:
        row = self.sql.execute(query, values or None).fetchone()
        return row[0] if row else None

    def until(self, condition: Callable[[], Any], within: float = 120.0, every: float = 0.02) -> None:
        wait_for(condition, within, every)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that every bench with servers of its own has."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--postgres", metavar="BIN", help="folder with another server's binaries")
    parser.add_argument(
        "--aged",
        action="store_true",
        help="on tables that vacuum has not kept up with, and generic plans",
    )
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments; the server that they name is the one that the bench starts."""
    given = parser.parse_args()
    if given.postgres:
        os.environ["WATCHKEEPER_TEST_POSTGRES"] = given.postgres
    if given.aged:
        os.environ["WATCHKEEPER_BENCH_AGED"] = "1"
    return given


@contextlib.contextmanager
def bench_environment(*, durable: bool = False, keep: Path | None = None) -> Iterator[BenchEnvironment]:
    """Postgres and Valkey in a temporary folder; gone at the end.

    ``durable``: fsync and synchronous_commit are on, as in production. ``keep``: a folder that stays, with
    what the database holds, for the next run.
    """
    folder = keep or Path(tempfile.mkdtemp(prefix="watchkeeper-bench-"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    is_known = (folder / "postgres").exists()
    postgres = start_server(lambda port: PostgresServer(folder / "postgres", port, fast=not durable))
    valkey = start_server(lambda port: ValkeyServer(folder / "valkey", port))
    os.environ["WATCHKEEPER_DATABASE_URL"] = postgres.login("service")
    os.environ["WATCHKEEPER_BROKER_URL"] = valkey.url
    os.environ["WATCHKEEPER_LOG_LEVEL"] = "WARNING"
    from workers import logs

    logs.configure()
    made = None
    try:
        migrate = [sys.executable, "-m", "workers.migrate"]
        subprocess.run(migrate, check=True, cwd=ROOT, env={**os.environ, **postgres.migrate_env()})
        made = BenchEnvironment(folder, postgres, valkey)
        made.sql.execute(
            "insert into task_kind (name, description, options_schema, queue, max_attempts, plain)"
            f""" select name, 'Does nothing', '{{"type": "object"}}', 'upkeep', most, plain
                   from (values ('{KIND}', 3, false), ('{PLAIN}', 1, true)) kind(name, most, plain)
                 on conflict do nothing"""
        )
        if not is_known:
            made.sql.execute("insert into allowed_network values ('127.0.0.0/8', 'this bench')")
            made.empty()
        if os.environ.get("WATCHKEEPER_BENCH_AGED"):
            made.age()
        yield made
    finally:
        if made is not None:
            made.stop_others()
            made.stop_beats()
            made.sql.close()
        valkey.stop()
        postgres.stop()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def say(bench: str, **figures: Any) -> None:
    """One line of figures."""
    rounded = {
        name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()
    }
    print(json.dumps({"bench": bench, **rounded}), flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used."""
    return sum(map(int, _stat(pid)[11:13])) / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process, its children and theirs."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(below for child in children for below in tree(int(child)))]
    return []


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process and all below it, ended children too."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            total += sum(map(int, _stat(one)[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def pss_mib(pids: Sequence[int]) -> float:
    """Memory of processes, each page divided by the number of processes that share it."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def resident_mib(pid: int) -> float:
    """Memory that a process has in RAM."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
