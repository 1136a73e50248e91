"""The migrated database that tests clone: one process of a run makes it, the others copy its server's files."""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from sandbox.postgres import PostgresServer
from tests.support.servers import start_server

ROOT = Path(__file__).parents[2]
NAME = "template_watchkeeper"

#: Schedules of a new installation.
SHIPPED: list[dict[str, Any]] = []
#: Upstreams of a new installation; tests shorten their pauses.
SHIPPED_UPSTREAMS: list[dict[str, Any]] = []
#: When the template was migrated: its partitions are for the days from then on, whatever midnight passed since.
MIGRATED_AT: list[datetime] = []


def start(folder: Path, passwords: Mapping[str, str]) -> PostgresServer:
    def new(port: int) -> PostgresServer:
        server = PostgresServer(folder, port, fast=True)
        server.passwords.update(passwords)
        return server

    return start_server(new)


def server_with_template(folder: Path, run: Path | None) -> PostgresServer:
    """Started; ``run`` is the folder of all processes of a run, where there are several."""
    if run is None:
        server = start(folder, {})
        _make(server)
        return server
    data, facts = run / "postgres", run / "postgres.facts"
    with (run / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not facts.exists():
            server = start(folder, {})
            _make(server)
            server.stop()
            shutil.rmtree(data, ignore_errors=True)
            _copy(folder, data)
            facts.write_bytes(
                pickle.dumps((dict(server.passwords), SHIPPED, SHIPPED_UPSTREAMS, MIGRATED_AT))
            )
    passwords, SHIPPED[:], SHIPPED_UPSTREAMS[:], MIGRATED_AT[:] = pickle.loads(facts.read_bytes())
    if not folder.exists():
        _copy(data, folder)
    return start(folder, passwords)


def _copy(source: Path, target: Path) -> None:
    # With the owners of the files, who are Postgres' user.
    subprocess.run(["cp", "-a", source, target], check=True)


def _make(server: PostgresServer) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {NAME}")
    subprocess.run(
        [sys.executable, "-m", "workers.migrate"],
        check=True,
        cwd=ROOT,
        env={**os.environ, **server.migrate_env(NAME), "WATCHKEEPER_RELAX_INTERVALS": "true"},
    )
    with psycopg.connect(server.url(NAME), autocommit=True, row_factory=dict_row) as connection:
        # Servers of tests are on loopback.
        connection.execute("insert into allowed_network values ('127.0.0.0/8', 'tests')")
        MIGRATED_AT[:] = [datetime.now(UTC)]
        SHIPPED[:] = connection.execute("select * from schedule").fetchall()
        SHIPPED_UPSTREAMS[:] = connection.execute("select * from upstream").fetchall()
        # Schedules of a new installation would run by themselves in tests of others.
        connection.execute("delete from schedule where after is not null")
        connection.execute("delete from schedule")
        connection.execute("truncate schedule_edit, change")
