"""The verbs of `celery schedule` in this process: words, exit codes, what goes where."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from beat.cli.commands import schedule
from beat.cli.files import COLUMNS

Cli = Callable[..., Result]


@pytest.fixture
def cli(database: Any, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("USER", "ada")
    runner = CliRunner()

    def run(*arguments: str, given: str | None = None) -> Result:
        done = runner.invoke(schedule, arguments, input=given)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


@pytest.fixture
def hourly(connection: Any) -> str:
    connection.execute(
        "insert into schedule (name, task, every) values ('hourly', 'tasks.discovery.discover', '1 hour')"
    )
    return "hourly"


def only(connection: Any, query: str = "select * from schedule") -> dict[str, Any]:
    (row,) = connection.execute(query).fetchall()
    return row  # type: ignore[no-any-return]


def test_add_set_remove(cli: Cli, connection: Any) -> None:
    done = cli("add", "mine", "--task", "tasks.discovery.discover", "--every", "2 hours",
               "--option", "max_tokens=5", "--overlap", "buffer_one", "--calendar", "XNYS")  # fmt: skip
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "mine runs every 2 hours on XNYS days, next: not scheduled\n"
    assert (
        cli(
            "set", "mine", "--daily", "17:05", "--timezone", "Europe/Berlin", "--calendar", "none"
        ).exit_code
        == 0
    )
    row = only(connection)
    assert (row["every"], row["cron"], row["timezone"], row["calendar"]) == (
        None,
        "5 17 * * *",
        "Europe/Berlin",
        None,
    )
    assert row["options"] == {"max_tokens": 5}
    assert cli("remove", "mine").exit_code == 2
    assert cli("remove", "mine", "--yes").exit_code == 0
    changed = connection.execute("select distinct changed_by, program from schedule_change").fetchall()
    assert changed == [{"changed_by": "ada", "program": "celery schedule"}]


def test_a_dry_run_shows_the_next_five_runs_and_changes_nothing(
    cli: Cli, hourly: str, connection: Any
) -> None:
    before = only(connection)
    done = cli(
        "set", hourly, "--daily", "17:00", "--timezone", "America/New_York", "--dry-run", "--json"
    )

    rows = json.loads(done.stdout)
    assert done.stderr == "hourly would run daily at 17:00 New York\n"
    assert len(rows) == 5
    assert all("17:00:00 America/New_York" in row["local"] for row in rows)
    assert only(connection) == before


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("set", "hourly", "--every", "0.01"), 4, "every = 00:00:00.01 is too often"),
        (("set", "hourly", "--daily", "17:60"), 2, '--daily "17:60" is not a time of day'),
        (("set", "hourly", "--daily", "9:00"), 2, "write HH:MM from 00:00 to 23:59"),
        (("set", "hourly", "--daily", "\u0661\u0667:00"), 2, "write HH:MM from 00:00 to 23:59"),
        (("set", "hourly", "--option", "max_tokns=5"), 4, 'has no option "max_tokns"'),
        (("set", "hourly", "--max-runs", "0"), 4, "hint:  It must be 1 or more"),
        (("set", "hourly"), 2, "nothing to change"),
        (("set", "hourli", "--note", "x"), 3, "hint:  Did you mean hourly? Schedules: hourly"),
        (("show", "hourli"), 3, 'error: no schedule named "hourli"'),
        (("next", "hourli"), 3, "hourly"),
        (("runs", "hourli"), 3, "hourly"),
        (("run", "hourli"), 3, "hourly"),
        (("run", "hourly", "--option", "max_tokens=0"), 4, 'option "max_tokens" = 0 is not allowed'),
        (("pause",), 2, "give one name or more, or --all"),
        (("stop", "00000000-0000-0000-0000-000000000000"), 3, 'no run "00000000-0000-0000-0000-000000000000"'),
        (("retry", "00000000-0000-0000-0000-000000000000"), 3, 'no run "00000000-0000-0000-0000-000000000000"'),
        (("watch", "00000000-0000-0000-0000-000000000000"), 3, 'no run "00000000-0000-0000-0000-000000000000"'),
        (("backfill", "hourly", "--from", "2026-01-02", "--to", "2026-01-01"), 4, "must end after it starts"),
    ],
)  # fmt: skip
def test_a_refusal_has_the_databases_words_and_its_exit_code(
    cli: Cli, hourly: str, connection: Any, arguments: tuple[str, ...], status: int, said: str
) -> None:
    before = only(connection)
    done = cli(*arguments)

    assert done.exit_code == status, done.output
    assert said in done.stderr
    assert only(connection) == before
    assert connection.execute("select from run_request").fetchall() == []


def test_what_an_operator_may_not_do_is_exit_code_4_with_the_reason(
    cli: Cli, hourly: str, connection: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.postgres import forget_caches

    name = database.name.replace("test_", "viewer_")
    connection.execute(f"create role {name} login password 'kiwi' in role viewer")
    try:
        at = database.url.split("@", 1)[1]
        monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", f"postgresql://{name}:kiwi@{at}")
        forget_caches()
        done = cli("pause", hourly)
    finally:
        connection.execute(f"drop role {name}")
    assert done.exit_code == 4
    assert "error: a viewer cannot change schedule" in done.stderr
    assert "why:   " in done.stderr
    assert "hint:  Ask an operator" in done.stderr


def test_a_database_out_of_reach_is_exit_code_5(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.postgres import forget_caches

    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/none")
    forget_caches()
    done = cli("list")

    assert done.exit_code == 5
    assert "the database at 127.0.0.1, port 1 is out of reach: Connection refused" in done.stderr
    assert "secret" not in done.output


def test_a_pipe_gets_one_line_a_row_with_tabs(cli: Cli, hourly: str, connection: Any) -> None:
    connection.execute("update schedule set note = E'two\\nlines\\tand a tab'")
    lines = cli("list").stdout.splitlines()

    assert len(lines) == 2
    assert lines[1].split("\t")[-1] == "two lines and a tab"
    assert len(lines[0].split("\t")) == len(lines[1].split("\t"))


def test_list_knows_states(cli: Cli, hourly: str, connection: Any) -> None:
    assert len(cli("list", "--state", "on").stdout.splitlines()) == 2
    assert len(cli("list", "--state", "paused").stdout.splitlines()) == 1
    connection.execute(
        "insert into schedule_state (schedule, consecutive_failures) values ('hourly', 2)"
    )
    assert len(cli("list", "--state", "failing").stdout.splitlines()) == 2


def test_show_has_settings_next_runs_and_changes(cli: Cli, hourly: str) -> None:
    said = cli("show", hourly).stdout
    assert "every\t1 hour\n" in said
    found = json.loads(cli("show", hourly, "--json").stdout)[0]
    assert found["every"] == 3600.0
    assert len(found["next_runs"]) == 5
    assert found["recent_changes"][0]["change"] == "inserted"


def test_a_pause_without_an_end_is_listed_and_shown(cli: Cli, hourly: str) -> None:
    assert cli("pause", hourly, "--note", "why").exit_code == 0

    assert cli("list").stdout.splitlines()[1].split("\t")[2] == "paused"
    assert json.loads(cli("list", "--json").stdout)[0]["paused_until"] == "infinity"
    assert "paused_until\tinfinity" in cli("show", hourly).stdout
    assert cli("next", hourly).stdout.splitlines()[1:] == []


def test_pause_and_resume_everything(cli: Cli, hourly: str, connection: Any) -> None:
    assert cli("pause", "--all", "--note", "maintenance").exit_code == 0
    assert only(connection, "select paused, note from pause_switch") == {
        "paused": True,
        "note": "maintenance",
    }
    assert cli("enable", "--all").exit_code == 0
    assert only(connection, "select paused from pause_switch") == {"paused": False}


def test_a_backfill_tells_what_it_takes_and_needs_a_yes(cli: Cli, hourly: str, connection: Any) -> None:
    asked = ("backfill", hourly, "--from", "2026-01-01T00:00Z", "--to", "2026-01-01T05:59Z")

    dry = cli(*asked, "--dry-run")
    assert dry.stdout.splitlines()[1].split("\t")[0] == "6"
    assert cli(*asked).exit_code == 2
    assert connection.execute("select from run_request").fetchall() == []
    assert cli(*asked, "--yes", "--overlap", "allow_all", "--note", "gap").exit_code == 0
    row = only(connection, "select * from run_request")
    assert (row["action"], row["overlap"], row["note"], row["requested_by"]) == (
        "backfill",
        "allow_all",
        "gap",
        "ada",
    )


def test_retry_of_all_that_failed_of_late(cli: Cli, drive: Any) -> None:
    for name in ("a", "b"):
        drive.schedule(name)
    drive.work()
    for name in ("a", "b"):
        drive.end(name, "failed", error="nothing works")
    dry = cli("retry", "--failed", "--since", "1h", "--dry-run")
    assert dry.stderr == "2 runs would run again\n"
    assert cli("retry", "--failed").exit_code == 2
    assert cli("retry", "--failed", "--schedule", "b", "--yes").exit_code == 0
    drive.work()
    assert [run["trigger"] for run in drive.runs("a")] == ["schedule"]
    assert [run["trigger"] for run in drive.runs("b")] == ["schedule", "retry"]


FULL = """
every-kind:
  title: 'Ä title: with "quotes"'
  task: tasks.discovery.discover
  options:
    chains: [solana, base]
    min_volume_usd: 0.5
  every: 1 hour 30 minutes
  calendar: XNYS
  calendar_hours: session
  starts_at: '2026-12-01T00:00:00+00:00'
  ends_at: 2027-01-01 00:00:00.123456+00:00
  jitter: 90
  overlap: buffer_all
  catch_up: all
  catch_up_window: 2 days
  max_runs: 7
  enabled: false
  paused_until: infinity
  note: "no: really"
  pause_reason: no key
  pause_after_failures: 3
  alert_after: 2
  alert_on_partial: 0.25
  max_attempts: 2
  timeout: 00:10:00
  expires: 1 hour
  queue: prices
  priority: 9
  batch_size: 2
  batch_delay: 0.5 seconds
  max_in_flight: 1
follower:
  task: tasks.prices.refresh
  after: leader
leader:
  task: tasks.prices.refresh
  cron: 0 9 * * 1-5; @daily
  timezone: Asia/Tokyo
"""


def as_json(connection: Any) -> list[dict[str, Any]]:
    rows = connection.execute("select to_jsonb(s) as row from schedule s order by name").fetchall()
    return [row["row"] for row in rows]


def test_export_and_apply_go_round_and_lose_nothing(cli: Cli, connection: Any, tmp_path: Path) -> None:
    file = tmp_path / "schedules.yml"
    file.write_text(FULL)

    assert cli("apply", str(file)).exit_code == 2
    assert connection.execute("select from schedule").fetchall() == []
    assert cli("apply", str(file), "--yes").exit_code == 0
    rows = as_json(connection)
    assert len(rows) == 3
    assert (rows[0]["timeout"], rows[0]["jitter"], rows[0]["paused_until"]) == (
        "00:10:00",
        "00:01:30",
        "infinity",
    )
    first = cli("export").stdout
    connection.execute("delete from schedule where name = 'follower'")
    connection.execute("delete from schedule")
    assert cli("apply", "-", "--yes", given=first).exit_code == 0
    assert cli("export").stdout == first
    machine = {"revision", "updated_at", "updated_by"}
    again = as_json(connection)
    for row, other in zip(rows, again, strict=True):
        assert {k: v for k, v in row.items() if k not in machine} == {
            k: v for k, v in other.items() if k not in machine
        }
    done = cli("apply", "-", "--yes", given=first)
    assert done.stderr == "nothing differs\n"


def test_schedules_that_follow_each_other_are_deleted_together(
    cli: Cli, hourly: str, connection: Any
) -> None:
    for name, leader in (("second", "hourly"), ("third", "second")):
        connection.execute(
            "insert into schedule (name, task, after) values (%s, 'tasks.prices.refresh', %s)",
            (name, leader),
        )
    refused = cli("remove", "hourly", "second", "--yes")
    assert refused.exit_code == 4
    assert 'schedule "second" cannot be deleted: third runs after it' in refused.stderr
    assert cli("remove", "hourly", "second", "third", "--yes").exit_code == 0
    assert connection.execute("select from schedule").fetchall() == []


def test_sql_deletes_schedules_that_follow_each_other_in_one_statement(
    hourly: str, connection: Any
) -> None:
    follow = (
        "insert into schedule (name, task, after) values ('second', 'tasks.discovery.discover', %s)"
    )
    connection.execute(follow, (hourly,))
    with pytest.raises(
        psycopg.errors.ForeignKeyViolation, match="cannot be deleted: second runs after"
    ):
        connection.execute("delete from schedule where name = %s", (hourly,))
    connection.execute("delete from schedule")
    assert connection.execute("select from schedule").fetchall() == []


@pytest.mark.parametrize(
    ("column", "longest"), [("title", 200), ("note", 2000), ("pause_reason", 2000)]
)
def test_a_text_that_no_page_could_show_is_refused(
    hourly: str, connection: Any, column: str, longest: int
) -> None:
    edit = f"update schedule set paused_until = 'infinity', {column} = repeat('x', %s)"
    connection.execute(edit, (longest,))
    with pytest.raises(psycopg.errors.CheckViolation, match=f'^{column} "x+…" has {longest + 1} char'):
        connection.execute(edit, (longest + 1,))
    # What is there already hinders no other edit.
    connection.execute("alter table schedule disable trigger schedule_check")
    connection.execute(edit, (longest + 1,))
    connection.execute("alter table schedule enable trigger schedule_check")
    connection.execute("update schedule set every = '2 hours'")


def test_empty_texts_are_refused_in_words_that_fit(cli: Cli, hourly: str, connection: Any) -> None:
    refused = cli("set", hourly, "--timezone", "")
    assert refused.stderr.splitlines() == [
        "error: timezone is an empty text",
        "hint:  Write e.g. timezone = 'Europe/Berlin'; all names: SELECT name FROM timezone_name;",
    ]
    with pytest.raises(psycopg.errors.CheckViolation, match="name must not be empty"):
        connection.execute("insert into queue values (' ')")


#: Texts that look like numbers, or hold ends of lines, or what a terminal does not show.
ODD_TEXTS = ["08", "0981", "1E5", "1e5", "007", ".5", "5.", "+1", "1_000", "0x1F", "yes", "17:00", "2026-12-24", "a\u2028b\x85c", "❤\ufe0f \u200d"]  # fmt: skip


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_texts_that_look_like_numbers_go_round_too(
    cli: Cli, connection: Any, form: tuple[str, ...]
) -> None:
    write = """insert into schedule (name, title, note, task, every, options) values (%s, %s, %s,
               'tasks.discovery.discover', '1 hour', jsonb_build_object('include', %s::text[]))"""
    for number, odd in enumerate(ODD_TEXTS):
        name = odd if odd in {"08", "1e5", "007", "yes"} else f"odd-{number}"
        connection.execute(write, (name, odd, odd, ODD_TEXTS))
    before = as_json(connection)
    file = cli("export", *form).stdout
    assert cli("apply", "-", "--yes", given=file).stderr == "nothing differs\n"
    connection.execute("delete from schedule")
    assert cli("apply", "-", "--yes", given=file).exit_code == 0
    columns = ("name", "title", "note", "options")
    assert [[row[one] for one in columns] for row in as_json(connection)] == [
        [row[one] for one in columns] for row in before
    ]


@pytest.mark.parametrize(
    "file", ["one:\n  every: 1 hour\nother: {}\none:\n  every: 2 hours\n", '{"one": {}, "one": {"every": "1 hour"}}']
)  # fmt: skip
def test_a_file_that_names_a_schedule_twice_is_refused(cli: Cli, file: str) -> None:
    done = cli("apply", "-", "--yes", given=file)
    assert done.exit_code == 4
    assert '"one" is there twice' in done.stderr


def test_apply_shows_the_difference_and_does_all_or_nothing(
    cli: Cli, hourly: str, connection: Any
) -> None:
    file = "hourly:\n  task: tasks.discovery.discover\n  every: 2 hours\n  note: slower\nnew:\n  task: tasks.prices.refresh\n  cron: 0 9 * * *\n"

    shown = cli("apply", "-", "--dry-run", given=file).stdout.splitlines()
    assert shown == [
        "+ new: task tasks.prices.refresh, cron 0 9 * * *",
        "~ hourly",
        "    every: 1 hour -> 2 hours",
        "    note: nothing -> slower",
    ]
    broken = file.replace("0 9 * * *", "17:00")
    done = cli("apply", "-", "--yes", given=broken)
    assert done.exit_code == 4
    assert 'cron "17:00" has 1 field, needs 5' in done.stderr
    assert only(connection)["every"] == timedelta(hours=1)
    done = cli(
        "apply",
        "-",
        "--prune",
        "--yes",
        given="new:\n  task: tasks.prices.refresh\n  cron: 0 9 * * *\n",
    )
    assert done.exit_code == 0
    assert only(connection)["name"] == "new"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "this is not YAML"),
        ("- a\n- b\n", "each top-level key must be the name"),
        ("a:\n  evry: 1 hour\n", 'no column "evry" (in a)'),
    ],
)
def test_a_file_of_another_form_is_refused(cli: Cli, text: str, said: str) -> None:
    done = cli("apply", "-", "--yes", given=text)

    assert done.exit_code == 4
    assert said in done.stderr


def test_the_files_columns_and_defaults_are_the_tables(cli: Cli, hourly: str, connection: Any) -> None:
    columns = connection.execute(
        "select column_name as name from information_schema.columns where table_name = 'schedule'"
    ).fetchall()

    assert {"name", "revision", "updated_at", "updated_by", *COLUMNS} == {c["name"] for c in columns}
    assert cli("export").stdout.splitlines()[1:] == [
        "hourly:", "  task: tasks.discovery.discover", "  every: 1 hour",
    ]  # fmt: skip


@pytest.mark.usefixtures("kinds")
class TestHere:
    def test_a_run_here_needs_no_broker_and_is_in_the_ledger(
        self, cli: Cli, connection: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WATCHKEEPER_BROKER_URL", "redis://127.0.0.1:1/0")
        connection.execute(
            """insert into schedule (name, task, every, options) values ('mine', 'tests.counting', '1 hour', '{"items": 12}')"""
        )
        done = cli("run", "mine", "--here", "--option", "items=7", "--note", "look")

        assert done.exit_code == 0, done.output
        assert done.stdout.startswith("succeeded")
        row = only(connection, "select * from run")
        assert (row["state"], row["total"], row["done"], row["trigger"]) == (
            "succeeded",
            7,
            7,
            "manual",
        )
        assert (row["requested_by"], row["schedule"]) == ("ada", "mine")
        assert len(connection.execute("select from effect").fetchall()) == 7
        asked = only(connection, "select * from run_request")
        assert (asked["answer_run_id"], asked["note"]) == (row["id"], "look")
        assert asked["answered_at"] is not None

    def test_it_fails_with_exit_code_1(self, cli: Cli, connection: Any) -> None:
        connection.execute(
            "insert into schedule (name, task, every) values ('bad', 'tests.crashing', '1 hour')"
        )
        connection.execute("update schedule set max_attempts = 1")
        done = cli("run", "bad", "--here")

        assert done.exit_code == 1
        assert done.stdout.startswith("failed: RuntimeError: nothing works")
        assert "hunter2" not in done.output

    def test_it_obeys_the_overlap_policy(self, cli: Cli, connection: Any, new_run: Any) -> None:
        connection.execute(
            "insert into schedule (name, task, every) values ('mine', 'tests.counting', '1 hour')"
        )
        new_run("tests.counting", schedule="mine")
        done = cli("run", "mine", "--here")

        assert done.exit_code == 4
        assert "not started: the last run is still running" in done.stderr
        assert connection.execute("select from run_request").fetchall() == []
        assert len(connection.execute("select from run").fetchall()) == 1


def test_every_column_that_a_command_shows_is_one_of_its_view(kinds: Any, connection: Any) -> None:
    from beat.cli.inspect import _SQL, CHANGES, DETAILS, RUNS, STATUS
    from beat.cli.status import LIST, SECTIONS

    connection.execute(
        "insert into schedule (name, task, every) values ('x', 'tests.counting', '1 hour')"
    )
    shown = [
        *((one.statement, one.columns) for one in SECTIONS.values()),
        (LIST, STATUS),
        *((statement, columns) for statement, columns, _, _ in DETAILS.values()),
        ("select * from every_run", RUNS),
        (_SQL["changes_of"], CHANGES),
    ]
    for statement, columns in shown:
        named = {"name": "x", "count": 1} if "%(" in statement else None
        found = connection.execute(statement, ["x", 1][: statement.count("%s")] or named)
        assert set(columns) <= {column.name for column in found.description}, statement
