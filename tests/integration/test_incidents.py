"""What breaks is told once, what recovers once, and a day in one message."""

from __future__ import annotations

import uuid
from typing import Any

import pytest


@pytest.fixture
def run(people: Any) -> Any:
    from workers.app import app

    app.loader.import_default_modules()

    def once(name: str) -> Any:
        run_id = uuid.uuid4()
        app.tasks[f"tasks.watches.{name}"].apply(task_id=str(run_id))
        return people.one(
            "select state, result ->> 'summary' as summary from run where id = %s", run_id
        )

    people.channel("email")
    people.sql.execute("insert into heartbeat (name, role) values ('beat@here', 'beat')")
    people.sql.execute(
        "insert into schedule (name, task, every) values ('discovery', 'tasks.discovery.discover', '6 hours')"
    )
    people.sql.execute(
        "insert into schedule_state (schedule) values ('discovery') on conflict do nothing"
    )
    return once


def titles(people: Any) -> list[str]:
    rows = people.all("select content ->> 'title' as title from notice order by id")
    return [row["title"] for row in rows]


def test_a_failing_schedule_is_told_once_and_its_recovery_once(run: Any, people: Any) -> None:
    people.sql.execute("update schedule_state set consecutive_failures = 3")
    assert run("incidents")["summary"] == "1 broke, 0 recovered"
    people.sql.execute("update schedule_state set consecutive_failures = 4")
    assert run("incidents")["summary"] == "0 broke, 0 recovered"
    people.sql.execute("update schedule_state set consecutive_failures = 0")
    assert run("incidents")["summary"] == "0 broke, 1 recovered"
    run("incidents")

    assert titles(people) == [
        "discovery failed 3 times in a row", "Recovered: discovery failed 3 times in a row",
    ]  # fmt: skip
    people.send()
    assert len(people.in_mailbox()) == 1, "both in one message"


@pytest.mark.parametrize("how", ["enabled = false", "paused_until = 'infinity'"])
def test_paused_and_disabled_schedules_are_silent(run: Any, people: Any, how: str) -> None:
    people.sql.execute(
        "update schedule_state set consecutive_failures = 9, claim_at = now() - interval '1 day'"
    )
    people.sql.execute(f"update schedule set {how}")

    assert run("incidents")["summary"] == "0 broke, 0 recovered"


@pytest.mark.parametrize(
    ("statement", "title"),
    [
        ("update schedule_state set claim_at = now() - interval '10 minutes'", "discovery is late"),
        ("update schedule_state set tripped_at = now(), tripped_reason = 'x'", "discovery paused itself"),
        ("update schedule_state set error = 'x', error_at = now()",
         "discovery is set aside: beat cannot obey it"),
        (("update upstream_state set closed_until = now() + interval '1 hour', failures = 2, closed_reason = 'x'"
          " where upstream = 'head_fi'"), "head_fi does not let us in"),
        ("update heartbeat set seen_at = now() - interval '3 minutes'", "no beat has given a sign for two minutes"),
        ("insert into permit (upstream, granted_at, stamp, settled) select 'alpha_vantage', now(), now(), true from generate_series(1, 23)",
         "quota of alpha_vantage is nearly spent"),
    ],
)  # fmt: skip
def test_each_kind_of_trouble_has_its_words(run: Any, people: Any, statement: str, title: str) -> None:
    people.sql.execute(statement)

    run("incidents")

    assert titles(people) == [title]


def test_the_digest_tells_a_day_and_an_empty_day_tells_nothing(run: Any, people: Any) -> None:
    people.sql.execute("truncate schedule_change")
    assert run("digest")["summary"] == "told on 0 channels"
    people.sql.execute(
        "insert into run (id, schedule, task, trigger, due_at, state, queue, started_at, finished_at, result, error)"
        " select gen_random_uuid(), 'discovery', 'tasks.discovery.discover', 'schedule', clock_timestamp(), s, 'discovery', now(),"
        " now(), '{\"counts\": {\"new\": 3}}', case s when 'failed' then 'no answer' end"
        " from unnest(array['succeeded', 'failed']) s"
    )

    assert run("digest")["summary"] == "told on 1 channels"

    text = people.one("select content ->> 'text' as text from notice")["text"]
    assert text == (
        "1 runs well, 1 failed, 0 missed, 0 late; 6 new tokens, 0 new ads\n\nFailed\n- discovery: no answer"
    )
