"""Windows that hold many calls are counted from totals: always what counting all rows says, and cheaply."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.permits import take_one
from workers.db import driver_connect, driver_transaction
from workers.upstreams import permits
from workers.upstreams.permits import Answered

LEASE = timedelta(seconds=30)
#: Windows (seconds); 0 begins exactly at a stamp.
WINDOWS = (1, 60, 900, 3600, 86_400, 31 * 86_400)

ADD = """
insert into permit (upstream, granted_at, stamp, settled, status)
select 'any', t, t + case when settled then interval '0' else interval '5 minutes' end, settled,
       case when settled then (array[200, 304, 404, 429, 503, null])[1 + (ago * 1000)::bigint %% 6] end
  from unnest(%s::float8[], %s::bool[]) as one(ago, settled),
       lateral (select clock_timestamp() - make_interval(secs => ago) as t) at
"""
#: Spans from one window to the next, or to ever, for which the totals and all rows say different outcomes.
OUTCOMES = """
select begins, ends, told, counted from (
    select begins, lead(begins, 1, 'infinity') over (order by begins) as ends
      from (select clock_timestamp() - make_interval(secs => per) from unnest(%(windows)s::float8[]) per
             union all (select stamp from permit order by id %% 11, id limit 5)) windows(begins)
     union all select clock_timestamp() - make_interval(secs => per), 'infinity' from unnest(%(windows)s::float8[]) per
    ) spans
 cross join lateral call_outcomes('any', begins, ends) told
 cross join lateral (
    select count(*), count(*) filter (where status < 400), count(*) filter (where status = 429),
           count(*) filter (where status between 500 and 599),
           count(*) filter (where status between 400 and 499 and status <> 429),
           count(*) filter (where status is null)
      from permit where upstream = 'any' and stamp > begins and stamp <= ends) counted
 where told::text <> counted::text
"""
#: Pick some calls by the remainder of their number, and change them as a person could.
CHANGES = {
    "delete": "delete from permit where id %% 7 = %s",
    "move": "update permit set stamp = stamp - interval '2 hours', granted_at = granted_at - interval '2 hours'"
    " where id %% 7 = %s",
    "settle": "select settle_permits(array_agg(id), array_agg(40.0::float8), array_agg(200)) from permit"
    " where not settled and id %% 7 = %s",
    "forget": "select drop_partition('permit', clock_timestamp() - interval '33 days' + %s * interval '0', 50)",
}


def add(connection: Any, seed: int, number: int, oldest: int) -> None:
    """Calls of the last ``oldest`` seconds, in bursts; one in twenty has no answer."""
    chance = random.Random(seed)
    begins = [chance.uniform(0, oldest) for _ in range(1 + number // 50)]
    agos = [max(0.0, chance.choice(begins) - chance.expovariate(1)) for _ in range(number)]
    connection.execute(ADD, (agos, [chance.random() > 0.05 for _ in agos]))


def differences(connection: Any) -> list[Any]:
    """Windows for which the totals and all rows say different things."""
    found: list[Any] = connection.execute(
        """
        select begins, told, counted from (
            select clock_timestamp() - make_interval(secs => per) as begins from unnest(%s::float8[]) per
             union all (select stamp from permit order by id %% 11, id limit 5)) windows
         cross join lateral window_calls('any', begins) told
         cross join lateral (select count(*) as calls, min(stamp) as oldest from permit
                              where upstream = 'any' and stamp > begins) counted
         where (told.calls, told.oldest) is distinct from (counted.calls, counted.oldest)
        """,
        (list(WINDOWS),),
    ).fetchall()
    return found or connection.execute(OUTCOMES, {"windows": list(WINDOWS)}).fetchall()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.just("add"), st.integers(0, 1000), st.sampled_from([60, 3600, 86_400, 33 * 86_400]))
        | st.tuples(st.sampled_from(["total", *CHANGES]), st.integers(0, 6), st.just(0)),
        min_size=2, max_size=9,
    )
)  # fmt: skip
def test_totals_and_rows_say_the_same_whatever_happens_to_the_calls(
    connection: Any, steps: list[tuple[str, int, int]]
) -> None:
    connection.execute("delete from permit; delete from quota; delete from upstream where name = 'any'")
    connection.execute("insert into upstream (name, base_url) values ('any', 'http://127.0.0.1:1')")
    connection.execute("insert into quota values ('any', '31 days', 1000000)")
    assert connection.execute("select count(*) as n from permit_total").fetchone()["n"] == 0
    add(connection, 0, 450, 32 * 86_400)
    total(connection)
    assert connection.execute("select count(*) as n from permit_total").fetchone()["n"] == 4
    for what, number, oldest in steps:
        if what == "add":
            add(connection, number, 230, oldest)
        elif what == "total":
            total(connection)
        else:
            connection.execute(CHANGES[what], (number,))
        assert differences(connection) == [], what


def total(connection: Any) -> None:
    while connection.execute("select total_permits() as more").fetchone()["more"]:
        pass


def fill(connection: Any, number: int, days: int = 31) -> None:
    """So many answered calls over some days, in no order in their partitions; the quota has three left."""
    for day in range(days + 1, 0, -1):
        at = f"clock_timestamp() - interval '{day} days'"
        while connection.execute(f"select make_partition('permit', {at}) as it").fetchone()["it"]:
            pass
    connection.execute(
        "insert into upstream (name, base_url, concurrency) values ('any', 'http://127.0.0.1:1', 9)"
    )
    connection.execute(
        "insert into permit (upstream, granted_at, stamp, settled) select 'any', t, t, true"
        " from (select clock_timestamp() - %(days)s * interval '1 day' * (n - 0.5) / %(number)s as t"
        " from generate_series(1, %(number)s) n order by md5(n::text)) at",
        {"days": days, "number": number},
    )
    connection.execute("insert into quota values ('any', %s, %s)", (timedelta(days=days), number + 3))


def pages(connection: Any, statement: str) -> int:
    cursor = psycopg.ClientCursor(connection)
    cursor.execute(f"explain (analyze, buffers, format json) {statement}")
    (found,) = cursor.fetchone()["QUERY PLAN"]
    return int(found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"])


def test_a_window_of_a_month_that_is_almost_full_costs_each_permit_few_pages(connection: Any) -> None:
    fill(connection, 4_000)
    connection.execute("analyze permit")
    total(connection)
    asked = {
        "permit": "select * from take_permit('any', '30 s', null, null, null, '{}', '{}', '{}')",
        "available": "select permits_available('any', clock_timestamp())",
        "view": "select * from quota_status where upstream = 'any'",
    }
    read = {}
    for name, statement in asked.items():
        # The first one plans, too.
        for _ in range(2):
            connection.execute("update upstream_state set spare = null")
            read[name] = pages(connection, statement)
    # One that counts all reads a page for every call.
    assert max(read.values()) < 400, read

    with driver_connect() as below:
        last, refused = (take_one(below, "any", LEASE) for _ in range(2))
    assert (last.id is not None, refused.cause) == (True, "quota")
    oldest = connection.execute(
        "select extract(epoch from min(stamp) + interval '31 days' - clock_timestamp())::float8 as left"
        " from permit"
    ).fetchone()["left"]
    assert abs(refused.wait - oldest) < 2


def test_beat_continues_the_totals(drive: Any) -> None:
    fill(drive.sql, 2_450, days=1)

    drive.work(rounds=2)

    assert (
        drive.one("select max(total) as most from permit_total where upstream = 'any'")["most"] == 2_400
    )
    assert differences(drive.sql) == []


def test_a_call_that_is_answered_after_its_lease_is_counted_where_its_answer_came(
    connection: Any,
) -> None:
    fill(connection, 300, days=1)
    with driver_connect() as below:
        grant = take_one(below, "any", timedelta(seconds=1))
    connection.execute("alter table permit disable trigger user")
    connection.execute(
        "update permit set granted_at = granted_at - interval '1 hour', stamp = stamp - interval '30 minutes'"
        " where not settled"
    )
    connection.execute("alter table permit enable trigger user")
    add(connection, 1, 150, 1)
    total(connection)
    assert grant.id is not None
    with driver_transaction() as below:
        permits.settle(below, [Answered(grant.id, time.monotonic() - 3000, 200)])

    assert connection.execute("select settled from permit where id = %s", (grant.id,)).fetchone()[
        "settled"
    ]
    assert differences(connection) == []


def test_totals_of_a_clock_that_was_set_back_are_forgotten_before_a_permit_is_given(
    connection: Any,
) -> None:
    fill(connection, 300, days=1)
    total(connection)
    connection.execute(
        "insert into permit_total select 'any', clock_timestamp() + interval '1 hour', 999"
    )

    with driver_connect() as below:
        take_one(below, "any", LEASE)

    assert differences(connection) == []
    assert connection.execute("select max(total) as it from permit_total").fetchone()["it"] == 300


def test_a_call_in_flight_keeps_totals_behind_the_time_it_was_let_through(connection: Any) -> None:
    fill(connection, 250, days=1)
    with driver_connect() as below:
        grant = take_one(below, "any", LEASE)
    connection.execute(
        "insert into permit (upstream, granted_at, stamp, settled)"
        " select 'any', t, t, true from (select clock_timestamp() as t from generate_series(1, 250)) at"
    )
    total(connection)
    newest = (
        "select max(stamp) < (select granted_at from permit where id = %s) as behind from permit_total"
    )
    assert connection.execute(newest, (grant.id,)).fetchone()["behind"]

    assert grant.id is not None
    with driver_transaction() as below:
        permits.settle(below, [Answered(grant.id, time.monotonic(), 200)])
    total(connection)

    assert not connection.execute(newest, (grant.id,)).fetchone()["behind"]
    assert differences(connection) == []
