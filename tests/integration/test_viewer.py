"""A viewer has SELECT and nothing more: whatever it tries, beat, doctor and the views go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

pytestmark = pytest.mark.outside(2)

MODES = (
    "access share", "row share", "row exclusive", "share update exclusive", "share", "share row exclusive",
    "exclusive", "access exclusive",
)  # fmt: skip
TABLES = """
select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
   and not exists (select from pg_depend d where d.objid = pg_class.oid and d.deptype = 'e') order by 1
"""


@pytest.fixture
def viewer(login: Callable[[str], str]) -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    url = login("viewer")
    opened: list[psycopg.Connection[Any]] = []

    def make() -> psycopg.Connection[Any]:
        opened.append(psycopg.connect(url, autocommit=True))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def tables(connection: Any) -> list[str]:
    found = [row["relname"] for row in connection.execute(TABLES)]
    assert len(found) > 50
    return found


def denied(connection: psycopg.Connection[Any], statement: str) -> bool:
    """Whether the statement is refused for want of a right, and not for anything else."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except InsufficientPrivilege:
        return True
    return False


def test_a_viewer_takes_no_lock_but_that_of_reading(viewer: Any, tables: list[str]) -> None:
    bob = viewer()
    for table in tables:
        taken = [
            mode for mode in MODES if not denied(bob, f'lock table "{table}" in {mode} mode nowait')
        ]
        assert taken == ["access share"], table
        for strength in ("update", "no key update", "share", "key share"):
            assert denied(bob, f'select * from "{table}" for {strength}'), (table, strength)


def test_a_viewer_has_no_right_but_select(viewer: Any, tables: list[str], connection: Any) -> None:
    bob = viewer()
    verbs = ["insert", "update", "delete", "truncate", "references", "trigger"]
    if connection.info.server_version >= 170000:
        verbs.append("maintain")
    found = connection.execute(
        "select relname, verb from pg_class c, unnest(%s::text[]) verb where relname = any(%s)"
        " and has_table_privilege('viewer', c.oid, verb)", (verbs, tables),
    ).fetchall()  # fmt: skip
    columns = connection.execute(
        "select relname, verb from pg_class c, unnest(array['insert', 'update', 'references']) verb"
        " where relname = any(%s) and has_any_column_privilege('viewer', c.oid, verb)", (tables,),
    ).fetchall()  # fmt: skip
    sequences = connection.execute(
        "select relname from pg_class c where case when relkind = 'S'"
        " then has_sequence_privilege('viewer', c.oid, 'usage, update') end"
    ).fetchall()

    assert (found, columns, sequences) == ([], [], [])
    for statement in (
        "create table mine (n int)", "create function mine() returns int language sql as 'select 1'",
        "select lo_create(0)", "select lo_creat(-1)", r"select lo_from_bytea(0, '\x00')",
        "alter table run set (fillfactor = 10)", "comment on table run is 'mine'", "truncate run",
        "create index on run (state)", "create trigger t before insert on run execute function guard()",
        "select nextval('notice_id_seq')", "set role operator", "set session authorization watchkeeper",
        "create role mine", "create schema mine", "copy run to program 'true'",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'watchkeeper_service'",
    ):  # fmt: skip
        assert denied(bob, statement) or "terminate" in statement, statement


def test_whatever_a_viewer_holds_beat_works_on_and_people_are_told(
    viewer: Any, tables: list[str], drive: Any, database: Any, login: Any
) -> None:
    drive.kind("tests.limited", max_running=1)
    drive.schedule("often", every=timedelta(minutes=1), starts_at=drive.now())
    drive.schedule("limited", task="tests.limited", every=timedelta(minutes=1), starts_at=drive.now())
    drive.work(rounds=2)
    holder = viewer()
    holder.autocommit = False
    holder.execute("set statement_timeout = 0")
    for table in tables:
        holder.execute(f'lock table "{table}" in access share mode')
    holder.execute("select pg_advisory_lock(n) from generate_series(0, 500) n")
    for key in (
        "kind tests.limited",
        "kind tests.noop",
        "wallet",
        "release stooq",
        "release discovery",
    ):
        holder.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (key,))
        holder.execute("select pg_advisory_lock(hashtext(%s))", (key,))
    crier = viewer()
    for number in range(300):
        crier.execute("select pg_notify('watchkeeper', %s)", (f"x{number}" * 100,))

    drive.work(timedelta(minutes=2), rounds=3)
    with psycopg.connect(login("operator"), autocommit=True) as alice:
        alice.execute("update schedule set every = '2 minutes' where name = 'often'")
        alice.execute("select run_now('often')")
        alice.execute("select pause_all('x'), resume_all()")
    drive.work(timedelta(minutes=4), rounds=3)

    assert len(drive.runs("often")) >= 2
    assert len(drive.runs("limited")) >= 1
    assert drive.state("often")["error"] is None
    assert drive.one("select every from schedule where name = 'often'")["every"] == timedelta(minutes=2)
    for view in ("schedule_status", "trouble", "health", "recent_runs", "quota_status", "running_now"):
        drive.all(f"select * from {view}")
    holder.rollback()


def test_a_persons_login_has_limits_of_its_own_and_doctor_names_one_without(
    connection: Any, database: Any, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.doctor import findings

    made, by_hand = database.name.replace("test_", "made_"), database.name.replace("test_", "hand_")
    at = database.url.partition("@")[2]
    monkeypatch.setenv("WATCHKEEPER_BROKER_URL", broker_url)
    opened = []
    try:
        said = connection.execute("select make_login(%s) as it", (made,)).fetchone()["it"]
        assert f"\\password {made}" in said
        connection.execute(f"alter role {made} password 'kiwi'")
        connection.execute(f"create role {by_hand} login password 'kiwi' in role viewer")

        opened = [psycopg.connect(f"postgresql://{made}:kiwi@{at}") for _ in range(5)]
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            (value,) = opened[0].execute(f"show {name}").fetchone()
            assert value not in {"0", "0s"}, name
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            psycopg.connect(f"postgresql://{made}:kiwi@{at}")
        told = dict(findings(connection))["logins"]
        assert told is not None
        assert f"SELECT limit_login('{by_hand}');" in told
        assert made not in told

        connection.execute("select limit_login(%s)", (by_hand,))
        assert by_hand not in (dict(findings(connection))["logins"] or "")
    finally:
        for one in opened:
            one.close()
        for name in (made, by_hand):
            connection.execute(f"drop role if exists {name}")


def test_a_login_is_a_viewers_or_an_operators(connection: Any) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="role must be viewer or operator"):
        connection.execute("select make_login('mallory', 'owner')")


def test_a_statement_without_a_grant_is_told_in_the_guards_words(
    viewer: Any, login: Any, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from beat.cli.commands import schedule
    from console.commands import console
    from tasks.prices.commands import prices
    from tasks.watches.notify_commands import notify
    from tests.support.postgres import forget_caches

    connection.execute(
        "insert into schedule (name, task, every) values ('hourly', 'tasks.discovery.discover', '1 hour')"
    )
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", login("viewer"))
    forget_caches()
    for group, words in (
        (schedule, ["pause", "hourly"]),
        (schedule, ["set", "hourly", "--every", "2 hours"]),
        (schedule, ["run", "hourly"]),
        (prices, ["watchlist", "add", "IBM"]),
        (notify, ["resend"]),
    ):
        done = CliRunner().invoke(group, words)
        assert done.exit_code == 4, (words, done.output)
        assert "error: a viewer cannot " in done.stderr, (words, done.stderr)
        assert "why:   " in done.stderr
        assert "hint:  Ask an operator" in done.stderr
    done = CliRunner().invoke(console, ["person", "list"])
    assert (done.exit_code, "hint:  log in as an owner" in done.stderr) == (4, True), done.stderr
