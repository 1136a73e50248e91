"""Viewer, operator, service, owner: who may do what, and how a refusal reads."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import dict_row
from sqlalchemy import NullPool, create_engine

from workers import roles
from workers.installation.domains import domains

ROOT = Path(__file__).parents[2]


@pytest.fixture
def as_role(
    login: Callable[[str], str],
) -> Iterator[Callable[[str], psycopg.Connection[dict[str, Any]]]]:
    opened: list[psycopg.Connection[dict[str, Any]]] = []

    def make(role: str) -> psycopg.Connection[dict[str, Any]]:
        opened.append(
            psycopg.connect(make_conninfo(login(role)), autocommit=True, row_factory=dict_row)
        )
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def hourly(connection: Any) -> str:
    connection.execute(
        "insert into schedule (name, task, every) values ('hourly', 'tasks.discovery.discover', '1 hour')"
    )
    return "hourly"


def refusal(connection: Any, statement: str) -> psycopg.errors.Diagnostic:
    with pytest.raises(InsufficientPrivilege) as refused:
        connection.execute(statement)
    return refused.value.diag


def test_an_operator_inserts_edits_and_deletes_schedules_under_a_name_of_its_own(
    as_role: Any, connection: Any
) -> None:
    alice = as_role("operator")

    alice.execute(
        "insert into schedule (name, task, every) values ('mine', 'tasks.discovery.discover', '1 hour')"
    )
    alice.execute("update schedule set every = '2 hours', note = 'slower' where name = 'mine'")
    alice.execute(
        "select pause('mine', 'why'), resume('mine'), run_now('mine'), pause_all('x'), resume_all()"
    )
    alice.execute("select backfill('mine', now() - interval '1 day', now())")
    alice.execute("update quota set calls = 3 where upstream = 'stooq'")
    alice.execute("update upstream set concurrency = 2 where name = 'stooq'")
    alice.execute("select unblock('stooq', 'they said we may')")
    alice.execute("delete from schedule where name = 'mine'")

    people = connection.execute("select distinct changed_by as who from schedule_change").fetchall()
    assert len(people) == 1
    assert people[0]["who"].startswith("alice_")
    asked = connection.execute("select distinct requested_by as who from run_request").fetchall()
    assert asked == people


@pytest.mark.parametrize("table", ["run", "batch", "schedule_state", "permit", "task_kind", "change"])
def test_an_operator_is_told_that_a_table_is_the_machines(as_role: Any, table: str) -> None:
    diag = refusal(as_role("operator"), f"delete from {table}")

    assert diag.message_primary == f"an operator cannot delete from {table}"
    assert diag.message_detail is not None
    assert diag.message_detail.startswith("The machine writes it: ")
    assert diag.message_hint


@pytest.mark.parametrize("column", ["base_url = 'https://evil.example'", "name = 'other'"])
def test_an_operator_cannot_send_our_keys_elsewhere(as_role: Any, column: str) -> None:
    diag = refusal(as_role("operator"), f"update upstream set {column} where name = 'alpha_vantage'")

    assert diag.message_primary == f"an operator cannot change {column.split(maxsplit=1)[0]}"
    assert diag.column_name == column.split(maxsplit=1)[0]
    assert "concurrency, spacing, note … are yours" in (diag.message_hint or "")


@pytest.mark.outside(1)
def test_an_operator_cannot_add_a_mail_server_that_would_get_the_logins(as_role: Any) -> None:
    alice = as_role("operator")
    alice.execute("insert into upstream (name, base_url) values ('site', 'https://shop.example')")
    diag = refusal(alice, "insert into upstream (name, base_url) values ('m', 'smtp://evil.example')")

    assert diag.message_primary == "an operator cannot change base_url"
    assert "An owner adds mail servers" in (diag.message_hint or "")


def test_an_operator_cannot_write_what_a_trigger_writes(as_role: Any, hourly: str) -> None:
    diag = refusal(as_role("operator"), "update schedule set updated_by = 'somebody else'")

    assert diag.message_primary == "an operator cannot change updated_by"


def test_a_request_once_made_stays(as_role: Any, hourly: str) -> None:
    alice = as_role("operator")
    alice.execute("select run_now('hourly')")

    assert refusal(alice, "update run_request set answer = 'x'").message_primary == (
        "an operator cannot change run_request"
    )


def test_nobody_asks_in_anothers_name_or_answers_himself(
    as_role: Any, connection: Any, hourly: str
) -> None:
    as_role("operator").execute(
        "insert into run_request (action, schedule, requested_by, program, answered_at, answer)"
        " values ('run', 'hourly', 'bob', 'beat', now(), 'done')"
    )
    row = connection.execute("select * from run_request").fetchone()

    assert row["requested_by"].startswith("alice_")
    assert (row["answered_at"], row["answer"]) == (None, None)


def test_a_viewer_reads_every_view_and_changes_nothing(
    as_role: Any, connection: Any, hourly: str
) -> None:
    bob = as_role("viewer")
    views = connection.execute("select viewname from pg_views where schemaname = 'public'").fetchall()

    for view in views:
        bob.execute(f"select * from {view['viewname']} limit 1")
    for statement in ("run_now('hourly')", "pause('hourly')", "resume('hourly')", "pause_all()", "resume_all()",
                      "backfill('hourly', now() - interval '1 day', now())", "unblock('stooq')",
                      "stop_run(gen_random_uuid())", "retry_run(gen_random_uuid())", "send_test('x')"):  # fmt: skip
        diag = refusal(bob, f"select {statement}")
        assert diag.message_primary is not None
        assert diag.message_primary.startswith("a viewer cannot ")
        assert "may read everything and change nothing" in (diag.message_detail or "")
        assert "GRANT operator TO" in (diag.message_hint or "")
    assert connection.execute("select from run_request").fetchall() == []


def test_set_role_is_guarded_as_a_login_is(connection: Any, hourly: str) -> None:
    connection.execute("set role operator")
    connection.execute("update schedule set every = '2 hours'")

    assert (
        refusal(connection, "delete from run").message_primary == "an operator cannot delete from run"
    )
    connection.execute("reset role")
    assert connection.execute("delete from run").rowcount == 0


def test_every_table_is_guarded_before_anybody_is_granted_it(connection: Any) -> None:
    open_ones = connection.execute(
        "select relname from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and has_table_privilege('operator', c.oid, 'insert, update, delete, truncate')"
        " and not exists (select from pg_trigger where tgrelid = c.oid and tgname = 'guard')"
    ).fetchall()
    tables = {
        r["relname"]
        for r in connection.execute("select relname from pg_class where relkind in ('r', 'p')")
    }

    assert open_ones == []
    assert roles.PEOPLE.keys() <= tables
    assert {name for one in domains().values() for name in one.tables} <= tables


def test_beat_and_a_run_need_no_more_than_the_service(drive: Any, new_beat: Any, database: Any) -> None:
    drive.schedule("often", every=timedelta(minutes=1), starts_at=drive.now())
    who = drive.one(
        "select current_user as me, pg_has_role('watchkeeper_service', 'owner', 'member') as owner"
    )
    assert "watchkeeper_service" in database.url
    assert not who["owner"]
    drive.sql.execute("select run_now('often')")
    drive.work(rounds=2)
    drive.work(timedelta(minutes=2), rounds=2)
    drive.sql.execute("select stop_run(id) from run where state = 'due' limit 1")
    drive.work(rounds=2)

    assert "stopped" in drive.states("often")
    assert drive.state("often")["error"] is None
    assert drive.queued()
    drive.scheduler.close()


def test_the_owner_migrates(as_role: Any) -> None:
    carol = as_role("owner")

    carol.execute("alter table schedule alter column note set default null")
    carol.execute("create or replace view recent_extra as select 1 as one")
    carol.execute("drop view recent_extra")


def test_a_login_that_may_not_make_roles_is_told_what_an_administrator_runs(
    connection: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.admin_url.replace("postgresql://", "postgresql+psycopg://")
    administrator = create_engine(url, poolclass=NullPool)
    monkeypatch.setattr(roles, "ROLES", {**roles.ROLES, "auditor_of_a_test": "not there"})
    name = f"plain_{uuid.uuid4().hex[:8]}"
    connection.execute(f"create role {name}")
    with administrator.connect() as alchemy:
        alchemy.exec_driver_sql(f"set role {name}")
        refused = roles.register(alchemy, {})
        alchemy.rollback()
    connection.execute(f"drop role {name}")

    assert refused == ["create role auditor_of_a_test nologin"]


def migrate(url: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.migrate"],
        cwd=ROOT,
        env={**os.environ, "WATCHKEEPER_DATABASE_URL": url, **env},
        capture_output=True,
        text=True,
    )


def test_a_login_of_role_owner_runs_the_migrate_step(
    login: Any, connection: Any, database: Any
) -> None:
    url = login("owner")
    connection.execute("drop trigger guard on run")
    done = migrate(url)

    assert done.returncode == 0, done.stderr
    assert "roles.missing" not in done.stdout + done.stderr
    found = connection.execute(
        "select from pg_trigger where tgname = 'guard' and tgrelid = 'run'::regclass"
    )
    assert found.fetchone() is not None


def test_a_managed_databases_owner_without_rights_on_roles_migrates_too(
    connection: Any, postgres_server: Any
) -> None:
    """No superuser, no CREATEROLE; the roles are there, and it is a member of none."""
    name = f"managed_{uuid.uuid4().hex[:8]}"
    connection.execute(f"create role {name} login password 'kiwi'")
    connection.execute(f"create database {name} owner {name}")
    parts = conninfo_to_dict(postgres_server.url(name))
    url = f"postgresql://{name}:kiwi@{parts['host']}:{parts['port']}/{name}"
    try:
        assert migrate(url).returncode == 0
        done = migrate(url)
        assert done.returncode == 0, done.stderr
        with psycopg.connect(url, autocommit=True) as own:
            own.execute("delete from run")
            own.execute("update schedule set note = 'mine' where name = 'discovery'")
    finally:
        connection.execute(f"drop database {name} with (force)")
        connection.execute(f"drop role {name}")


def test_the_server_itself_is_told_to_compile_nothing(
    postgres_server: Any, migrated_template: str
) -> None:
    """For every login of the database, and for our own: a pooler passes no start-up options on."""
    with psycopg.connect(postgres_server.url(migrated_template)) as plain:
        assert plain.execute("show jit").fetchone() == ("off",)
        told = "select rolname from pg_roles where 'jit=off' = any(rolconfig)"
        ours = {f"watchkeeper_{role}" for role in ("operator", "owner", "service")}
        assert {name for (name,) in plain.execute(told)} >= ours


def test_our_logins_are_plain_and_the_owner_owns_everything(connection: Any) -> None:
    logins = connection.execute(
        "select rolname, rolconnlimit from pg_roles where rolname ~ '^watchkeeper_' and rolcanlogin"
        " and not (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls) order by 1"
    ).fetchall()
    others = connection.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and relowner <> 'owner'::regrole"
    ).fetchall()

    assert [r["rolname"] for r in logins] == [
        f"watchkeeper_{r}" for r in ("operator", "owner", "service")
    ]
    assert all(0 < r["rolconnlimit"] < 200 for r in logins)
    assert others == []
    for right in ("temporary", "create"):
        granted = connection.execute(
            "select has_database_privilege('viewer', 'template_watchkeeper', %s) as it", (right,)
        ).fetchone()
        assert granted == {"it": False}, right


def test_a_migrate_step_takes_back_what_was_granted_and_sets_passwords_unseen(
    connection: Any, database: Any, postgres_server: Any
) -> None:
    connection.execute("grant all on all tables in schema public to viewer, public")
    connection.execute("grant usage on all sequences in schema public to viewer")
    connection.execute("grant truncate, trigger on run to service, operator")
    connection.execute(f"alter database {database.name} set log_statement = 'all'")
    before = len((postgres_server.folder / "postgres.log").read_text())
    postgres_server.passwords["service"] = word = f"new-{uuid.uuid4().hex}"
    env = postgres_server.migrate_env(database.name)

    done = migrate(env.pop("WATCHKEEPER_DATABASE_URL"), **env)

    assert done.returncode == 0, done.stderr
    left = connection.execute(
        "select relname from pg_class c, unnest(array['insert', 'update', 'delete', 'truncate', 'trigger']) verb"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')"
        " and has_table_privilege('viewer', c.oid, verb)"
    ).fetchall()
    assert left == []
    for role in ("service", "operator"):
        found = connection.execute(
            "select has_table_privilege(%s, 'run', 'truncate, trigger') as it", (role,)
        ).fetchone()
        assert found == {"it": False}
    psycopg.connect(postgres_server.login("service", database.name)).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(database.url)
    said = (postgres_server.folder / "postgres.log").read_text()[before:]
    assert "alter role" in said
    assert word not in said + done.stdout + done.stderr
