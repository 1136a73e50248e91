"""The settled log in SQL against its definition; the state of an upstream; edits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.permits import take_one
from tests.support.threads import at_once
from workers.db import driver_connect, driver_transaction
from workers.upstreams import CallOptions, UpstreamClient, permits, upstream_states
from workers.upstreams.permit_holder import NoPermit
from workers.upstreams.permits import Answered, Grant, Question

#: Stamps lie so far from every window's edge that a slow test decides no question (seconds).
MARGIN = 2.5
WINDOWS = (10, 60, 3600)
LEASE = timedelta(seconds=30)


@pytest.fixture
def upstream(connection: Any) -> Callable[..., None]:
    """``upstream(concurrency=…, quota={"1 minute": 5})`` makes upstream "any"."""

    def make(quota: dict[str, int] | None = None, **columns: Any) -> None:
        values = {"name": "any", "base_url": "http://127.0.0.1:1", **columns}
        marks = ", ".join(f"%({name})s" for name in values)
        connection.execute(f"insert into upstream ({', '.join(values)}) values ({marks})", values)
        for per, calls in (quota or {}).items():
            connection.execute("insert into quota values ('any', %s, %s)", (per, calls))

    return make


def take(lease: timedelta = LEASE, **how: Any) -> Grant:
    with driver_connect() as connection:
        return take_one(connection, "any", lease, **how)


def take_many(number: int, *, runs: Sequence[Any] = ()) -> list[Grant]:
    questions = [Question(LEASE, runs[n] if runs else None, 0, f"/{n}") for n in range(number)]
    with driver_connect() as connection:
        return permits.take_many(connection, "any", questions)


def settle(*answered: Answered) -> None:
    with driver_transaction() as connection:
        permits.settle(connection, answered)


def answer(grant: Grant, status: int = 200) -> Answered:
    assert grant.id is not None
    return Answered(grant.id, time.monotonic(), status)


def available() -> int:
    with driver_connect() as connection:
        return int(
            connection.execute("select permits_available('any', clock_timestamp())").fetchone()[0]
        )


# What the log means, by its definition and nothing else.

Call = tuple[float, bool]  # stamp, in seconds from now; settled


def may_call(at: float, calls: list[Call], limits: list[tuple[int, float]]) -> bool:
    """Whether, for every window at once, fewer than N stamps are younger than the window at ``at``."""
    return all(sum(stamp > at - per for stamp, _ in calls) < number for number, per in limits)


def wait_of(calls: list[Call], limits: list[tuple[int, float]]) -> float:
    """The least wait if every call in flight were answered this instant."""
    answered = [(min(stamp, 0.0), True) for stamp, _ in calls]
    moments = {0.0, *(stamp + per for stamp, _ in answered for _, per in limits)}
    return min(at for at in moments if at >= 0 and may_call(at, answered, limits))


CALLS = st.lists(
    # In flight is what has its stamp ahead; what is settled has it behind.
    st.integers(-740, 10).map(lambda n: n * 5 + MARGIN).map(lambda stamp: (stamp, stamp < 0)),
    max_size=70,
)
LIMITS = st.dictionaries(st.sampled_from(WINDOWS), st.integers(1, 12) | st.integers(48, 60), max_size=3)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=CALLS,
    limits=LIMITS,
    concurrency=st.integers(1, 6),
    spacing=st.sampled_from([0, 10, 60]),
    together=st.booleans(),
)
def test_a_permit_is_given_exactly_when_the_definition_says_so(
    database: Any,
    connection: Any,
    calls: list[Call],
    limits: dict[int, int],
    concurrency: int,
    spacing: int,
    together: bool,
) -> None:
    connection.execute("delete from permit; delete from upstream where name = 'any'")
    connection.execute(
        "insert into upstream (name, base_url, concurrency, spacing)"
        " values ('any', 'http://127.0.0.1:1', %s, make_interval(secs => %s))",
        (concurrency, spacing),
    )
    for per, number in limits.items():
        connection.execute(
            "insert into quota values ('any', make_interval(secs => %s), %s)", (per, number)
        )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into permit (upstream, granted_at, stamp, settled) select 'any', t, t, %s"
            " from (select clock_timestamp() + make_interval(secs => %s) as t) at",
            [(settled, stamp) for stamp, settled in calls],
        )
    windows = [(number, float(per)) for per, number in limits.items()]
    windows += [(1, float(spacing))] if spacing else []
    flying = sum(not settled and stamp > 0 for stamp, settled in calls)
    free = flying < concurrency and may_call(0.0, calls, windows)

    promised = available()
    asked = promised + 2
    grant, *others = take_many(asked) if together else [take() for _ in range(asked)]

    assert (grant.id is not None) is free
    assert (promised > 0) is free
    given = [one.id is not None for one in (grant, *others)]
    assert given == [True] * promised + [False] * 2
    if not free:
        expected = max(wait_of(calls, windows), 0.05 if flying >= concurrency else 0.0)
        assert expected - MARGIN < grant.wait <= expected + 0.001


def test_settling_lowers_the_stamp_to_the_time_of_the_answer(upstream: Any, connection: Any) -> None:
    upstream()
    grant = take()
    in_flight = connection.execute("select stamp - granted_at as ahead from permit").fetchone()
    late = Answered(grant.id or 0, time.monotonic() - 3.0, 200)

    settle(late)

    row = connection.execute(
        "select settled, status, clock_timestamp() - stamp as age from permit"
    ).fetchone()
    assert in_flight["ahead"] == LEASE
    assert (row["settled"], row["status"]) == (True, 200)
    assert timedelta(seconds=2) < row["age"] < timedelta(seconds=6)


def test_an_answer_after_the_lease_raises_no_stamp_and_no_permit_settles_twice(
    upstream: Any, connection: Any
) -> None:
    upstream()
    grant = take(timedelta(0))
    settle(answer(grant, 200))
    first = connection.execute("select stamp, status from permit").fetchone()

    settle(answer(grant, 500))

    assert connection.execute("select stamp, status from permit").fetchone() == first
    assert connection.execute("select stamp = granted_at as same from permit").fetchone()["same"]


def test_one_statement_settles_what_is_answered_and_takes_the_next(
    upstream: Any, connection: Any
) -> None:
    upstream(concurrency=1)
    first = take()
    assert take().reason == "1 call in flight"

    second = take(answered=[answer(first)])

    assert second.id is not None
    assert [row["settled"] for row in connection.execute("select settled from permit order by id")] == [
        True,
        False,
    ]


def test_of_several_questions_as_many_are_granted_as_limits_allow(
    upstream: Any, connection: Any
) -> None:
    upstream(quota={"1 hour": 3, "1 day": 60}, concurrency=100)

    grants = take_many(5)

    assert [one.id is not None for one in grants] == [True] * 3 + [False] * 2
    assert {(one.reason, one.cause) for one in grants[3:]} == {("3 calls an hour", "quota")}
    assert [row["path"] for row in connection.execute("select path from permit order by id")] == [
        "/0", "/1", "/2",
    ]  # fmt: skip
    state = connection.execute("select * from upstream_state where upstream = 'any'").fetchone()
    assert state["next_permit_reason"] == "3 calls an hour"
    assert state["spare"] == 57


def test_a_run_that_is_to_stop_takes_no_permit_from_those_asked_for_beside_it(
    upstream: Any, connection: Any, new_run: Any
) -> None:
    upstream(quota={"1 hour": 2}, concurrency=100)
    goes_on, stops = new_run("tests.counting"), new_run("tests.counting")
    connection.execute("update run set stop_requested_at = now() where id = %s", (stops,))

    grants = take_many(4, runs=[stops, goes_on, stops, goes_on])

    assert [one.cause for one in grants] == ["stop", None, "stop", None]
    assert [one.id is not None for one in grants] == [False, True, False, True]


def test_a_caller_without_time_left_makes_no_call_and_its_permit_is_given_back(
    upstream: Any, database: Any, connection: Any, eventually: Callable[..., Any]
) -> None:
    upstream(concurrency=1)
    with psycopg.connect(database.admin_url) as holder:
        holder.execute("select from upstream_state where upstream = 'any' for update")
        began = time.monotonic()

        def call(_: int) -> None:
            with pytest.raises(NoPermit):
                UpstreamClient().get("any", "/", CallOptions(timeout=0.5))

        at_once(2, call, after=holder.rollback)

    assert time.monotonic() - began < 4
    assert eventually(lambda: take().id)
    settled = connection.execute("select bool_and(settled) as all from permit where path = '/'")
    assert settled.fetchone()["all"] is not False


def test_64_threads_that_call_one_upstream_ask_in_few_statements(
    upstream: Any, connection: Any, monkeypatch: pytest.MonkeyPatch, imitation: Any
) -> None:
    server = imitation("generic")
    upstream(concurrency=100, base_url=server.url)
    UpstreamClient().get("any", "/first")
    asked: list[int] = []
    flying = threading.Semaphore(1)
    ask = permits.take_many

    def counted(session: Any, name: str, questions: Any, answered: Any = ()) -> Any:
        assert flying.acquire(blocking=False), "two questions in flight"
        try:
            asked.append(len(questions))
            return ask(session, name, questions, answered)
        finally:
            flying.release()

    monkeypatch.setattr(permits, "take_many", counted)

    at_once(64, lambda n: UpstreamClient().get("any", f"/{n}"))

    assert sum(asked) == 64
    assert len(asked) < 40
    assert len(server.get("/_log")) == 65


def test_a_call_whose_caller_died_counts_until_its_lease_and_its_window_are_over(
    upstream: Any, connection: Any, eventually: Callable[..., Any]
) -> None:
    upstream(quota={"1 second": 1})
    take(timedelta(seconds=1))
    assert take().id is None

    eventually(lambda: take().id, within=5)

    first, second = connection.execute("select granted_at from permit order by id").fetchall()
    assert timedelta(seconds=2) <= second["granted_at"] - first["granted_at"] < timedelta(seconds=3)


def test_a_limit_lowered_holds_for_the_next_permit_and_a_raised_one_is_used_at_once(
    upstream: Any, connection: Any
) -> None:
    upstream(quota={"1 hour": 10}, concurrency=100)
    for _ in range(6):
        settle(answer(take()))

    connection.execute("update quota set calls = 4")
    lowered = take()
    connection.execute("update quota set calls = 8")
    raised = [take().id for _ in range(3)]

    assert (lowered.id, lowered.reason) == (None, "4 calls an hour")
    assert [one is not None for one in raised] == [True, True, False]


def test_a_wide_window_is_exact_too_and_so_is_its_edit(upstream: Any, connection: Any) -> None:
    upstream(quota={"1 hour": 60, "10 minutes": 56}, concurrency=100)
    granted = [take() for _ in range(57)]
    assert [one.id is not None for one in granted] == [True] * 56 + [False]
    assert granted[-1].reason == "56 calls in 10 minutes"
    connection.execute("update permit set stamp = stamp - interval '20 minutes', settled = true")

    again = [take() for _ in range(5)]
    connection.execute("update quota set calls = calls + 2 where per = '1 hour'")
    more = [take() for _ in range(2)]
    connection.execute("update quota set calls = 55 where per = '1 hour'")

    assert [one.id is not None for one in again] == [True] * 4 + [False]
    assert again[-1].reason == "60 calls an hour"
    assert all(one.id is not None for one in more)
    assert (take().id, available()) == (None, 0)


def test_a_full_wide_window_refuses_again_and_again_while_a_wider_one_has_room(
    upstream: Any, connection: Any
) -> None:
    upstream(quota={"1 day": 70, "10 minutes": 56, "1 second": 1000}, concurrency=100)

    granted = [take().id is not None for _ in range(60)]

    assert granted == [True] * 56 + [False] * 4
    assert available() == 0


def test_an_editors_open_transaction_stops_no_call(
    upstream: Any, database: Any, connection: Any
) -> None:
    upstream(quota={"1 hour": 2}, concurrency=9)
    with psycopg.connect(database.url) as editor:
        editor.execute("update quota set calls = 1")
        editor.execute("update upstream set concurrency = 1")

        assert take().id is not None

    assert take().reason == "1 call an hour"


def test_an_edit_makes_beat_look_again(upstream: Any, connection: Any) -> None:
    upstream(quota={"1 hour": 1})
    take()
    take()
    waiting = (
        "select next_permit_at > clock_timestamp() as waits from upstream_state where upstream = 'any'"
    )
    assert connection.execute(waiting).fetchone()["waits"]

    connection.execute("update quota set calls = 2")

    assert not connection.execute(waiting).fetchone()["waits"]


def test_an_upstream_knows_when_it_was_edited(upstream: Any, connection: Any) -> None:
    upstream(updated_at=datetime(2026, 1, 1, tzinfo=UTC))

    connection.execute("update upstream set spacing = '1 second' where name = 'any'")

    edited = connection.execute(
        "select updated_at > now() - interval '1 minute' as now from upstream where name = 'any'"
    ).fetchone()
    assert edited["now"]


def test_a_disabled_upstream_lets_nobody_through_and_says_why(upstream: Any) -> None:
    upstream(enabled=False, note="on holiday")

    grant = take()

    assert (grant.id, grant.reason) == (None, "disabled: on holiday")
    assert available() == 0


def test_the_longest_wait_is_the_one_told(upstream: Any) -> None:
    upstream(quota={"1 minute": 1, "1 day": 1}, concurrency=1)
    take(timedelta(minutes=10))

    grant = take()

    assert (grant.reason, grant.window) == ("1 call a day", timedelta(days=1))
    assert 86390 < grant.wait <= 86400


def test_a_crawl_delay_holds_only_while_robots_txt_is_obeyed(upstream: Any, connection: Any) -> None:
    upstream(obey_robots=True)
    with driver_transaction() as driver:
        upstream_states.set_crawl_delay(driver, "any", timedelta(minutes=1))
    settle(answer(take()))
    assert (take().reason, available()) == ("one call per 00:01:00", 0)

    connection.execute("update upstream set obey_robots = false")

    assert available() > 0
    assert take().id is not None


def block_upstream(seconds: float = 60, reason: str = "answered 429") -> tuple[int, datetime | None]:
    with driver_transaction() as connection:
        failures = upstream_states.count_failure(connection, "any")
        return failures, upstream_states.block(connection, "any", timedelta(seconds=seconds), reason)


def let_time_pass(connection: Any) -> None:
    connection.execute(
        "update upstream_state set blocked_until = clock_timestamp() where blocked_until > now()"
    )


def test_a_block_holds_for_everybody_until_the_time_named(upstream: Any) -> None:
    upstream()
    block_upstream()

    grant = take()

    assert (grant.id, grant.reason) == (None, "blocked: answered 429")
    assert 58 < grant.wait <= 60
    assert available() == 0


def test_what_was_in_flight_when_the_block_began_counts_as_the_same_failure(upstream: Any) -> None:
    upstream()

    assert [block_upstream()[0] for _ in range(4)] == [1, 1, 1, 1]


def test_a_shorter_closing_shortens_no_longer_one(upstream: Any) -> None:
    upstream()
    _, first = block_upstream(600)

    _, second = block_upstream(1)

    assert first == second


def test_after_a_closing_one_call_goes_first_to_try(upstream: Any, connection: Any) -> None:
    upstream(concurrency=4)
    block_upstream()
    let_time_pass(connection)
    assert available() == 1

    first, second = take(), take()

    assert (first.id is not None, first.trying) == (True, True)
    assert (second.id, second.reason) == (None, "1 call in flight")


def test_a_good_answer_ends_the_block_and_a_bad_one_blocks_for_longer(
    upstream: Any, connection: Any
) -> None:
    upstream(concurrency=4)
    block_upstream()
    let_time_pass(connection)
    assert block_upstream()[0] == 2
    let_time_pass(connection)

    with driver_transaction() as driver:
        upstream_states.recover(driver, "any")

    grants = [take() for _ in range(4)]
    assert [(one.id is not None, one.trying) for one in grants] == [(True, False)] * 4


def test_a_good_answer_from_before_the_closing_opens_nothing(upstream: Any) -> None:
    upstream()
    block_upstream()

    with driver_transaction() as driver:
        upstream_states.recover(driver, "any")

    assert take().id is None


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("insert into quota values ('any', '1 minute', 0)", "calls must be 1 or more"),
        ("insert into quota values ('any', '0', 5)", "per must be longer than zero"),
        ("insert into quota values ('any', '-1 minute', 5)", "per must be longer than zero"),
        ("insert into quota values ('any', '1 month', 5)", "no months or years"),
        ("insert into quota values ('any', '90 days', 5)", "per is at most 31 days"),
        ("update upstream set concurrency = 0 where name = 'any'", "concurrency must be 1 or more"),
        ("update upstream set spacing = '-1 s' where name = 'any'", "spacing cannot be negative"),
        ("update upstream set base_url = 'a.example' where name = 'any'", "base_url must begin with"),
    ],
)
def test_the_database_refuses_limits_that_are_none(
    upstream: Any, connection: Any, statement: str, sentence: str
) -> None:
    upstream()

    with pytest.raises(psycopg.errors.CheckViolation, match=sentence):
        connection.execute(statement)


def test_no_more_of_the_log_is_read_than_the_window_may_hold(upstream: Any, database: Any) -> None:
    upstream(quota={"1 day": 100, "1 minute": 5}, concurrency=10)
    with psycopg.connect(database.admin_url, autocommit=True) as session:
        session.execute(
            "insert into permit (upstream, granted_at, stamp, settled)"
            " select 'any', t, t, true from generate_series(1, 20000) n,"
            " lateral (select clock_timestamp() - interval '61 s' - n * interval '1 s') at(t)"
        )
        session.execute("vacuum analyze permit")
        session.execute("set stats_fetch_consistency = none")
        read = (
            "select seq_tup_read + idx_tup_fetch as rows from pg_stat_xact_user_tables"
            " where relname = 'permit'"
        )
        with session.transaction():
            session.execute("select take_permit('any', '30 s', null, null, null, '{}', '{}', '{}')")
            (rows,) = session.execute(read).fetchone() or (0,)

    assert rows <= 120
