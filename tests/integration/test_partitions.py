"""Tables that grow are partitioned by time: made ahead, dropped whole, never in anybody's way for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from tests.support.permits import take_one
from tests.support.waiting import wait_for
from workers.db import driver_connect
from workers.upstreams import permits
from workers.upstreams.permits import Answered

DAY = timedelta(days=1)
LEASE = timedelta(seconds=31)


def parts(connection: Any, table: str = "permit") -> dict[str, tuple[Any, Any]]:
    """Name of each partition but the default one, with the times it is for."""
    rows = connection.execute(
        "select partition, begins, ends from partition_status where table_name = %s and not is_default",
        (table,),
    )
    return {row["partition"]: (row["begins"], row["ends"]) for row in rows}


def make(connection: Any, at: datetime, table: str = "permit") -> str | None:
    name: str | None = connection.execute(
        "select make_partition(%s, %s) as it", (table, at)
    ).fetchone()["it"]
    return name


def drop(connection: Any, before: datetime, table: str = "permit", rows: int = 100) -> tuple[Any, Any]:
    row = connection.execute(
        "select * from drop_partition(%s, %s, %s)", (table, before, rows)
    ).fetchone()
    return row["partition"], row["about_rows"]


def add(connection: Any, at: datetime, number: int = 1) -> None:
    connection.execute(
        "insert into permit (upstream, granted_at, stamp, settled)"
        " select 'head_fi', %(at)s, %(at)s, true from generate_series(1, %(number)s)",
        {"at": at, "number": number},
    )


def homes(connection: Any) -> dict[str, int]:
    """Rows of permit by the partition that holds them."""
    rows = connection.execute(
        "select c.relname, count(*) from permit p join pg_class c on c.oid = p.tableoid group by 1"
    )
    return {row["relname"]: row["count"] for row in rows}


@pytest.fixture
def service(database: Any) -> Iterator[Any]:
    """What beat and workers are to the database."""
    with psycopg.connect(
        database.url, autocommit=True, row_factory=psycopg.rows.dict_row
    ) as connection:
        yield connection


def test_a_new_database_has_partitions_for_the_week_ahead(
    connection: Any, migrated_at: datetime
) -> None:
    for table in ("permit", "price_outcome", "token_sighting"):
        spans = sorted(parts(connection, table).values())
        assert spans[0][0] <= migrated_at < spans[0][1]
        assert spans[-1][1] > migrated_at + 7 * DAY
        assert all(one[1] == other[0] for one, other in pairwise(spans))


def test_the_service_makes_the_next_partition_and_no_more_than_is_needed(
    service: Any, migrated_at: datetime
) -> None:
    later = migrated_at + DAY
    before = set(parts(service))

    made = make(service, later)

    assert made is not None
    assert set(parts(service)) - before == {made}
    assert make(service, later) is None


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_people_neither_make_nor_drop_partitions(login: Any, role: str) -> None:
    with psycopg.connect(login(role), autocommit=True) as person:
        for call in ("make_partition('permit')", "drop_partition('permit', now(), 1)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                person.execute(f"select {call}")


def test_rows_that_no_partition_is_for_are_kept_told_and_moved_into_one(
    service: Any, connection: Any, migrated_at: datetime
) -> None:
    far = migrated_at + 40 * DAY
    add(service, far, 3)
    assert homes(connection) == {"permit_default": 3}
    told = connection.execute("select subject, text from trouble where kind = 'partitions'").fetchall()
    assert [row["subject"] for row in told] == ["permit"]
    assert "default partition" in told[0]["text"]
    assert "run_now('retention')" in told[0]["text"]

    made = make(service, migrated_at)

    assert made == f"permit_{far:%Y%m%d}"
    assert homes(connection) == {made: 3}
    assert connection.execute("select from trouble where kind = 'partitions'").fetchall() == []


def test_partitions_that_run_out_are_told(connection: Any) -> None:
    for name in parts(connection):
        connection.execute(f"drop table history.{name}")

    told = connection.execute("select text from trouble where kind = 'partitions'").fetchone()

    assert "partitions for the time ahead are missing" in told["text"]


def test_old_partitions_go_whole_and_the_newest_stay(service: Any, connection: Any) -> None:
    now = datetime.now(UTC)
    for days in (12, 11, 10):
        add(service, now - days * DAY, 5)
        make(service, now)
    files = connection.execute(
        "select array_agg(c.oid) as them from pg_class c where relname like 'permit_2%' and relkind = 'r'"
    ).fetchone()["them"]

    gone = [drop(service, now - 10 * DAY)[0] for _ in range(3)]

    assert gone == [
        f"permit_{now - 12 * DAY:%Y%m%d}",
        f"permit_{now - 11 * DAY:%Y%m%d}",
        None,
    ]
    assert homes(connection) == {f"permit_{now - 10 * DAY:%Y%m%d}": 5}
    left = connection.execute("select count(*) as n from pg_class where oid = any(%s)", (files,))
    assert left.fetchone()["n"] == len(files) - 2


def test_old_rows_of_the_default_partition_are_deleted_a_few_at_a_time(
    service: Any, connection: Any
) -> None:
    now = datetime.now(UTC)
    add(service, now - 20 * DAY, 5)
    add(service, now - 2 * DAY, 2)

    assert drop(service, now - 10 * DAY, rows=3) == ("permit_default", 3)
    assert drop(service, now - 10 * DAY, rows=3) == ("permit_default", 2)
    assert drop(service, now - 10 * DAY, rows=3) == (None, 0)
    assert homes(connection) == {"permit_default": 2}


def test_no_partition_is_dropped_that_a_window_may_still_count(service: Any, connection: Any) -> None:
    now = datetime.now(UTC)
    connection.execute("insert into quota values ('head_fi', '31 days', 1000)")
    for days in (30, 35):
        add(service, now - days * DAY)
        make(service, now)

    assert drop(service, now)[0] == f"permit_{now - 35 * DAY:%Y%m%d}"
    assert drop(service, now)[0] is None
    assert homes(connection) == {f"permit_{now - 30 * DAY:%Y%m%d}": 1}


def test_a_partition_that_somebody_reads_is_left_after_100_ms(
    service: Any, connection: Any, database: Any
) -> None:
    now = datetime.now(UTC)
    add(service, now - 12 * DAY)
    make(service, now)
    with database.connect() as reader, reader.transaction():
        reader.execute("select count(*) from permit")
        began = time.monotonic()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            drop(service, now - 10 * DAY)
        waited = time.monotonic() - began
    assert 0.09 < waited < 2
    assert drop(service, now - 10 * DAY)[0] is not None


def test_retention_waits_for_a_reader_and_then_drops(prices: Any, database: Any) -> None:
    now = datetime.now(UTC)
    add(prices.sql, now - 90 * DAY, 4)
    make(prices.sql, now)
    run: dict[str, Any] = {}
    with database.connect() as reader, reader.transaction():
        reader.execute("select count(*) from permit")
        worker = threading.Thread(target=lambda: run.update(prices.run("tasks.upkeep.retention")))
        worker.start()
        # The item before it is done, and this one keeps trying.
        wait_for(
            lambda: database_waits(reader),
            within=20,
        )
        assert worker.is_alive()
    worker.join(60)

    assert run["state"] == "succeeded"
    assert f"permit_{now - 90 * DAY:%Y%m%d}" not in parts(prices.sql)


def database_waits(reader: Any) -> bool:
    """Whether somebody waits for a lock that ``reader`` holds."""
    found = reader.execute(
        "select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    )
    return found.fetchone() is not None


def test_a_limiter_reads_only_partitions_whose_calls_may_count(service: Any, connection: Any) -> None:
    now = datetime.now(UTC)
    connection.execute(
        "insert into quota values ('head_fi', '1 day', 100), ('head_fi', '1 second', 60)"
    )
    for days in range(60, 0, -1):
        add(service, now - days * DAY, 2)
        make(service, now)
    connection.execute("update upstream set spacing = '0' where name = 'head_fi'")
    connection.execute("analyze permit")
    read: set[str] = set()
    with driver_connect() as below:
        # The fifth call of a session is the first that may use a generic plan.
        for _ in range(8):
            with below.transaction():
                grant = take_one(below, "head_fi", LEASE)
                assert grant.id is not None
                permits.settle(below, [Answered(grant.id, time.monotonic(), 200)])
                read = {
                    row[0]
                    for row in below.execute(
                        "select relname from pg_stat_xact_user_tables"
                        " where schemaname = 'history' and coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0"
                    )
                }
    # Those ahead of now cannot be known to be empty; the default one holds anything.
    young = {f"permit_{now + days * DAY:%Y%m%d}" for days in range(-2, 9)} | {"permit_default"}
    assert f"permit_{now:%Y%m%d}" in read
    assert read <= young


def test_a_permit_is_settled_in_whatever_partition_it_lies(service: Any, connection: Any) -> None:
    with driver_connect() as below:
        grant = take_one(below, "head_fi", LEASE)
    connection.execute("update permit set granted_at = granted_at - interval '1 hour'")
    assert grant.id is not None
    with driver_connect() as below:
        permits.settle(below, [Answered(grant.id, time.monotonic() - 60, 200)])

    assert connection.execute("select settled from permit").fetchall() == [{"settled": True}]


def test_a_lease_longer_than_the_limiter_looks_back_is_refused(connection: Any) -> None:
    with (
        driver_connect() as below,
        pytest.raises(psycopg.errors.InvalidParameterValue, match="at most 01:00:00"),
    ):
        take_one(below, "head_fi", timedelta(hours=2))


def test_permits_of_a_database_from_before_become_one_partition(
    connection: Any, postgres_server: Any, database: Any
) -> None:
    """Down to the revision before, calls, and up again: no call is lost, and new ones have higher numbers."""
    import os
    import subprocess
    import sys

    env = {**os.environ, **postgres_server.migrate_env(database.name)}

    def alembic(*command: str) -> None:
        subprocess.run([sys.executable, "-m", "alembic", *command], check=True, env=env)

    alembic("downgrade", "console_ledger")
    with database.connect() as here:
        here.execute(
            "insert into permit (upstream, granted_at, stamp, settled)"
            " select 'head_fi', t, t, true from (select clock_timestamp() - n * interval '1 day' as t"
            " from generate_series(1, 50) n) at"
        )
    alembic("upgrade", "head")

    assert sum(homes(connection).values()) == 50
    assert len(homes(connection)) == 1
    with driver_connect() as below:
        grant = take_one(below, "head_fi", LEASE)
    assert grant.id is not None
    assert grant.id > 50
    assert connection.execute("select used from quota_status where upstream = 'head_fi'").fetchall()
