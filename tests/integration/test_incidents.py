"""What breaks is told once, what is over once, and a day in one message."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

WORKER = {"pid": 1, "queues": ["discovery"]}


def sign(people: Any, name: str, role: str, ago: str = "0 s", **detail: Any) -> None:
    """The last sign of a process that began an hour before."""
    people.sql.execute(
        "insert into heartbeat (name, role, detail, seen_at, started_at) values"
        " (%s, %s, %s, clock_timestamp() - %s::interval, clock_timestamp() - interval '1 hour' - %s::interval)"
        " on conflict (name) do update set seen_at = excluded.seen_at, detail = excluded.detail",
        (name, role, json.dumps(detail), ago, ago),
    )


@pytest.fixture
def here(people: Any) -> Any:
    """One channel, a beat and a worker that live, a schedule."""
    people.channel("email")
    sign(people, "beat@here", "beat")
    sign(people, "all@here", "worker", queues=["discovery", "prices", "listings", "notices", "upkeep"])
    people.sql.execute(
        "insert into schedule (name, task, every) values ('discovery', 'tasks.discovery.discover', '6 hours')"
    )
    people.sql.execute(
        "insert into schedule_state (schedule) values ('discovery') on conflict do nothing"
    )
    return people


def follow(people: Any) -> tuple[int, int]:
    """What beat does every few seconds; how many incidents it opened and closed."""
    row = people.one("select opened, closed from follow_incidents()")
    return row["opened"], row["closed"]


def titles(people: Any) -> list[str]:
    rows = people.all("select content ->> 'title' as title from notice order by id")
    return [row["title"] for row in rows]


def texts(people: Any) -> list[str]:
    rows = people.all("select content ->> 'text' as text from notice order by id")
    return [row["text"] for row in rows]


def test_a_failing_schedule_is_told_once_and_its_recovery_once(here: Any) -> None:
    here.sql.execute("update schedule set alert_after = 3")
    here.sql.execute("update schedule_state set consecutive_failures = 2")
    assert follow(here) == (0, 0)
    here.sql.execute("update schedule_state set consecutive_failures = 3")
    assert follow(here) == (1, 0)
    here.sql.execute("update schedule_state set consecutive_failures = 4")
    assert follow(here) == (0, 0)
    here.sql.execute("update schedule_state set consecutive_failures = 0")
    assert follow(here) == (0, 1)
    assert follow(here) == (0, 0)

    assert titles(here) == [
        "discovery failed 3 times in a row", "Recovered: discovery failed 3 times in a row",
    ]  # fmt: skip
    here.send()
    assert len(here.in_mailbox()) == 1, "both in one message"


@pytest.mark.parametrize("how", ["enabled = false", "paused_until = 'infinity'"])
def test_paused_and_disabled_schedules_are_silent(here: Any, how: str) -> None:
    here.sql.execute(
        "update schedule_state set consecutive_failures = 9, claim_at = now() - interval '1 day'"
    )
    here.sql.execute(f"update schedule set {how}")

    assert follow(here) == (0, 0)


@pytest.mark.parametrize(
    "how", ["select resume('discovery')", "update schedule set paused_until = now() - interval '1 s'"]
)
def test_a_schedule_is_not_silent_once_its_pause_is_over(here: Any, how: str) -> None:
    here.sql.execute(how)
    here.sql.execute("update schedule_state set consecutive_failures = 9")

    assert follow(here) == (1, 0)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("update schedule set enabled = false, note = 'moved'", "The schedule was disabled: moved. It lasted "),
        ("select pause('discovery', 'no key')", "The schedule was paused: no key. It lasted "),
        ("delete from schedule where name = 'discovery'", "The schedule was deleted. It lasted "),
        ("update schedule set alert_after = 5", "It is reported only after 5 failures in a row now. It lasted "),
        ("update schedule_state set tripped_at = now(), tripped_reason = 'x'", "The schedule paused itself. It lasted "),
    ],
)  # fmt: skip
def test_what_is_paused_or_disabled_has_not_recovered(here: Any, how: str, said: str) -> None:
    here.sql.execute("update schedule_state set consecutive_failures = 1")
    follow(here)
    here.sql.execute(how)
    follow(here)

    over = titles(here).index("Over: discovery failed")
    assert texts(here)[over].startswith(said)


@pytest.mark.parametrize(
    ("statement", "title"),
    [
        ("update schedule_state set consecutive_failures = 1", "discovery failed"),
        ("update schedule_state set claim_at = now() - interval '10 minutes'", "discovery is late"),
        ("update schedule_state set tripped_at = now(), tripped_reason = 'x'", "discovery paused itself"),
        ("update schedule_state set error = 'x', error_at = now()",
         "discovery is set aside: beat cannot plan it"),
        (("update upstream_state set blocked_until = now() + interval '1 hour', failures = 2, blocked_reason = 'x'"
          " where upstream = 'head_fi'"), "head_fi is blocked"),
        ("update heartbeat set seen_at = now() - interval '3 minutes' where role = 'beat'", "no beat runs"),
        ("delete from heartbeat where role = 'beat'", "no beat runs"),
        ("update heartbeat set detail = detail || '{\"ended\": true}' where role = 'beat'", "no beat runs"),
        ("update heartbeat set seen_at = now() - interval '31 s' where role = 'worker'", "worker all@here is silent"),
        ("select pause_all('maintenance')", "everything is paused"),
        ("insert into permit (upstream, granted_at, stamp, settled) select 'alpha_vantage', now(), now(), true from generate_series(1, 23)",
         "quota of alpha_vantage is nearly spent"),
    ],
)  # fmt: skip
@pytest.mark.outside(8)
def test_each_kind_of_trouble_has_its_words(here: Any, statement: str, title: str) -> None:
    here.sql.execute(statement)

    follow(here)

    assert titles(here) == [title]


def test_a_silent_beat_may_run_without_redis(here: Any) -> None:
    here.sql.execute("update heartbeat set seen_at = now() - interval '3 minutes' where role = 'beat'")

    row = here.one("select text from trouble where kind = 'beat silent'")

    assert row["text"].startswith("the last heartbeat was beat@here's, 3m ago; ")
    assert row["text"].endswith(" until a beat runs that reaches Redis")


@pytest.mark.outside(8)
def test_a_pause_of_everything_says_who_why_and_since(here: Any) -> None:
    here.sql.execute("select set_config('app.actor', 'alice', false)")
    here.sql.execute("select pause_all('maintenance')")
    here.sql.execute("select set_config('app.actor', 'bob', false)")
    here.sql.execute("select pause_all()")

    row = here.one("select text, since from trouble where kind = 'paused'")
    switch = here.one("select note, changed_by, changed_at from pause_switch")

    assert row["text"].startswith("by alice since 20")
    assert row["text"].endswith(" UTC: maintenance; to end it: SELECT resume_all();")
    assert (switch["note"], switch["changed_by"], switch["changed_at"]) == (
        "maintenance",
        "alice",
        row["since"],
    )
    here.sql.execute("select resume_all()")
    here.sql.execute("update pause_switch set paused = true")
    assert here.one("select text from trouble where kind = 'paused'")["text"].startswith("by bob since")


@pytest.mark.outside(8)
def test_a_process_that_said_good_bye_is_not_silent(here: Any) -> None:
    sign(here, "discovery@one", "worker", "5 minutes", queues=["discovery"], ended=True)
    sign(here, "beat@two", "beat", "5 minutes", ended=True)

    assert follow(here) == (0, 0)


@pytest.mark.outside(8)
def test_one_silent_beat_of_two_is_told(here: Any) -> None:
    sign(here, "beat@two", "beat", "40 s")
    assert follow(here) == (1, 0)
    sign(here, "beat@two", "beat")
    assert follow(here) == (0, 1)

    assert titles(here) == ["beat beat@two is silent", "Recovered: beat beat@two is silent"]


@pytest.mark.outside(8)
def test_a_silent_worker_is_told_until_it_is_replaced_or_others_did_its_work_for_an_hour(
    here: Any,
) -> None:
    sign(here, "discovery@gone", "worker", "59 minutes", queues=["discovery"])
    assert follow(here) == (1, 0)
    here.sql.execute(
        "update heartbeat set seen_at = seen_at - interval '2 minutes' where name = 'discovery@gone'"
    )
    assert follow(here) == (0, 1)

    sign(here, "discovery@a", "worker", "5 minutes", queues=["discovery"])
    sign(here, "discovery@b", "worker", "3 minutes", queues=["discovery"])
    assert follow(here) == (2, 0)
    here.sql.execute(
        "insert into heartbeat (name, role, detail) values ('discovery@c', 'worker', '{\"queues\": [\"discovery\"]}')"
    )
    assert follow(here) == (0, 1), "one came for two"
    assert [row["subject"] for row in here.all("select subject from trouble")] == ["discovery@a"]
    assert texts(here)[-1].startswith("Other processes do its work. It lasted ")
    here.sql.execute(
        "insert into heartbeat (name, role, detail) values ('discovery@d', 'worker', '{\"queues\": [\"discovery\"]}')"
    )
    assert follow(here) == (0, 1)


@pytest.mark.outside(8)
def test_a_silent_worker_whose_queue_nobody_serves_is_told_for_a_day(here: Any) -> None:
    sign(here, "special@here", "worker", "20 hours", queues=["special"])
    assert follow(here) == (1, 0)
    sign(here, "special@here", "worker", "25 hours", queues=["special"])
    assert follow(here) == (0, 1)


@pytest.mark.outside(8)
def test_ready_work_in_a_queue_without_a_living_worker_is_told(here: Any) -> None:
    sign(here, "all@here", "worker", queues=["notices", "upkeep"], ended=True)
    run_id = uuid.uuid4()
    here.sql.execute(
        "insert into run (id, task, trigger, due_at, state, queue, open_batches)"
        " values (%s, 'tasks.prices.refresh', 'manual', now(), 'due', 'prices', 1)", (run_id,),
    )  # fmt: skip
    here.sql.execute(
        "insert into batch (run_id, seq, task, queue, state) values (%s, 0, 'tasks.prices.refresh', 'prices', 'sent')",
        (run_id,),
    )
    assert follow(here) == (0, 0), "it may still be on its way"
    here.sql.execute("update batch set created_at = created_at - interval '1 minute'")
    assert follow(here) == (1, 0)
    row = here.one("select title, text from trouble")
    assert row == {
        "title": "no worker serves the queue prices",
        "text": "1 batch is ready, the oldest made 1m ago; start a worker with -Q prices",
    }
    here.sql.execute("update batch set not_before = now() + interval '1 hour'")
    assert follow(here) == (0, 1), "what is for later is not ready"
    here.sql.execute(
        "update batch set not_before = null, waiting_for = 'alpha_vantage', state = 'waiting', send_at = null"
    )
    assert follow(here) == (0, 0), "what waits for a quota is not ready"


def test_a_batch_that_no_idle_worker_of_its_queue_takes_is_told(here: Any) -> None:
    sign(here, "a@here", "worker", queues=["prices"], idle_seconds=300)
    sign(here, "all@here", "worker", queues=["prices", "discovery", "upkeep"], idle_seconds=39)
    run_id = uuid.uuid4()
    here.sql.execute(
        "insert into run (id, task, trigger, due_at, state, queue, open_batches)"
        " values (%s, 'tasks.prices.refresh', 'manual', now(), 'due', 'prices', 1)", (run_id,),
    )  # fmt: skip
    here.sql.execute(
        "insert into batch (run_id, seq, task, queue, state, send_at)"
        " values (%s, 0, 'tasks.prices.refresh', 'prices', 'sent', now() - interval '10 minutes')",
        (run_id,),
    )
    assert follow(here) == (0, 0), "a worker of the queue had something in hand"
    sign(here, "all@here", "worker", queues=["prices", "discovery", "upkeep"])
    assert follow(here) == (0, 0), "a worker that does not say so may be busy"
    sign(here, "all@here", "worker", queues=["prices", "discovery", "upkeep"], idle_seconds=40)
    here.sql.execute("update batch set not_before = now() - interval '30 seconds'")
    assert follow(here) == (0, 0), "it is ready for half a minute"
    here.sql.execute("update batch set not_before = null")
    assert follow(here) == (1, 0)
    row = here.one("select title, text from trouble")
    assert row == {
        "title": "no worker takes what is ready in the queue prices",
        "text": "1 batch is ready (tasks.prices.refresh), the oldest for 10 minutes; these workers run and"
        " have nothing in hand: a@here, all@here; do they know the task? An older release may not;"
        " otherwise restart them",
    }
    here.sql.execute("update run set expires_at = now() - interval '1 second'")
    assert follow(here) == (0, 1), "what has expired is not taken"
    here.sql.execute("update run set expires_at = null")
    assert follow(here) == (1, 0)
    here.sql.execute("update batch set state = 'running', lease_until = now() + interval '1 minute'")
    assert follow(here) == (0, 1)


def test_an_upstream_blocked_again_and_again_is_one_incident(here: Any) -> None:
    close = (
        "update upstream_state set blocked_until = now() + %s::interval, failures = 2, blocked_reason = 'x'"
        " where upstream = 'head_fi'"
    )
    here.sql.execute(close, ("1 hour",))
    assert follow(here) == (1, 0)
    here.sql.execute(close, ("-1 s",))
    assert follow(here) == (0, 1)
    assert texts(here)[-1].startswith("It may be called again; no call has succeeded yet. It lasted ")


def test_a_first_block_is_told_when_it_is_long_until_it_is_over(here: Any) -> None:
    block = (
        "update upstream_state set blocked_until = now() + %s::interval, failures = 1, blocked_reason = 'x'"
        " where upstream = 'head_fi'"
    )
    here.sql.execute(block, ("1 minute",))
    assert follow(here) == (0, 0), "how limits work"
    here.sql.execute(block, ("1 hour",))
    assert follow(here) == (1, 0)
    here.sql.execute(block, ("1 minute",))
    assert follow(here) == (0, 0), "its end comes nearer"
    here.sql.execute(block, ("-1 s",))
    assert follow(here) == (0, 1)


def test_a_quota_around_its_edge_is_one_incident(here: Any) -> None:
    use = (
        "insert into permit (upstream, granted_at, stamp, settled)"
        " select 'alpha_vantage', now(), now(), true from generate_series(1, %s)"
    )
    here.sql.execute(use, (23,))
    assert follow(here) == (1, 0)
    here.sql.execute("delete from permit where id in (select id from permit limit 2)")
    assert follow(here) == (0, 0)
    here.sql.execute("delete from permit where id in (select id from permit limit 10)")
    assert follow(here) == (0, 1)


def test_a_channel_is_not_told_of_its_own_trouble(here: Any) -> None:
    here.channel("discord")
    here.sql.execute(
        "insert into notice (channel, key, content, state, answer) values ('discord', 'x', '{}', 'dead', 'Unknown Webhook')"
    )

    follow(here)

    told = here.all("select channel, content from notice where state = 'waiting'")
    assert [(row["channel"], row["content"]["title"]) for row in told] == [
        ("email", "notices for discord were given up")
    ]
    assert "1 in the last day, the last because: Unknown Webhook" in told[0]["content"]["text"]


def test_the_digest_tells_a_day_and_an_empty_day_tells_nothing(here: Any) -> None:
    from workers.app import app

    app.loader.import_default_modules()

    def digest() -> str:
        run_id = uuid.uuid4()
        app.tasks["tasks.watches.digest"].apply(task_id=str(run_id))
        row = here.one("select result ->> 'summary' as summary from run where id = %s", run_id)
        return str(row["summary"])

    here.sql.execute("truncate change")
    assert digest() == "nothing to tell"
    here.sql.execute(
        "insert into run (id, schedule, task, trigger, due_at, state, queue, started_at, finished_at, result, error,"
        " total, failed)"
        " select gen_random_uuid(), 'discovery', 'tasks.discovery.discover', 'schedule', clock_timestamp(), s, 'discovery', now(),"
        " now(), '{\"counts\": {\"new\": 3}}', case when s <> 'succeeded' then 'no answer' end, 500,"
        " case s when 'partial' then 499 else 0 end"
        " from unnest(array['succeeded', 'partial', 'failed']) s"
    )

    assert digest() == "told on 1 channel"

    text = here.one("select content ->> 'text' as text from notice")["text"]
    assert text == (
        "1 run well, 1 partial, 1 failed, 0 missed, 0 late; 9 new tokens, 0 new ads\n\nFailed\n- discovery: no answer"
        "\n\nPartial\n- discovery: 499 of 500 items failed: no answer"
    )


def test_the_digest_says_why_last_and_how_much_more_there_is(here: Any) -> None:
    from tasks.watches.digest import composed
    from workers.db import transaction

    here.sql.execute(
        "insert into run (id, schedule, task, trigger, due_at, state, queue, started_at, finished_at, error)"
        " select gen_random_uuid(), s, 'tasks.discovery.discover', 'schedule', at, 'failed', 'discovery', now(), at, error"
        " from (select 's-' || lpad(n::text, 2, '0'), 'no answer', now() from generate_series(2, 12) n"
        " union all values ('s-01', 'zero calls left', now() - interval '1 hour'), ('s-01', 'blocked', now()))"
        " r(s, error, at)"
    )

    with transaction() as connection:
        text = composed(connection, timedelta(days=1)) or ""

    failed = text.partition("Failed\n")[2].partition("\n\n")[0].splitlines()
    assert failed[0] == "- s-01: 2 times, the last: blocked"
    assert (len(failed), failed[-1]) == (11, "- and 2 more")


def test_a_rule_that_cannot_be_read_is_told_until_it_is_corrected(here: Any) -> None:
    here.sql.execute("insert into rule (name, expression) values ('cheap', 'pric < 3')")
    here.sql.execute(
        "insert into rule_state (rule, revision, error, hint)"
        " values ('cheap', 1, 'there is no field \"pric\"', 'did you mean \"price\"?')"
    )
    assert follow(here) == (1, 0)
    row = here.one("select title, text from trouble where kind = 'rule wrong'")
    assert row["title"] == "rule cheap cannot be read and matches nothing"
    assert row["text"] == 'there is no field "pric"; did you mean "price"?'

    here.sql.execute("update rule set expression = 'price < 3'")
    assert follow(here) == (0, 1)


def test_many_schedules_that_are_late_are_one_incident_until_few_are_left(here: Any) -> None:
    here.sql.execute(
        "insert into schedule (name, task, every)"
        " select 'due-' || n, 'tasks.discovery.discover', '6 hours' from generate_series(1, 25) n"
    )
    here.sql.execute(
        "insert into schedule_state (schedule) select name from schedule on conflict do nothing"
    )

    def late(number: int) -> None:
        here.sql.execute(
            "update schedule_state set claim_at = case when schedule in (select schedule from schedule_state"
            " where schedule like 'due-%%' order by schedule limit %s) then now() - interval '10 minutes'"
            " else now() + interval '1 hour' end",
            (number,),
        )

    late(25)
    assert follow(here) == (1, 0)
    late(6)
    assert follow(here) == (0, 0)
    late(5)
    assert follow(here) == (5, 1)
    late(0)
    assert follow(here) == (0, 5)
    late(20)
    assert follow(here) == (20, 0)
    late(21)
    assert follow(here) == (1, 20)
    assert titles(here)[0] == "25 schedules are late"
    assert "Recovered: 25 schedules are late" in titles(here)
    assert {text.split(".")[0] for text in texts(here)[-20:]} == {
        "Many schedules are late, which is one incident"
    }
    row = here.one("select subject, severity from trouble where kind = 'many late'")
    assert (row["subject"], row["severity"]) == ("schedules", "error")


def test_a_queue_whose_runs_expire_before_they_wait_for_long_is_told_until_a_worker_serves_it(
    here: Any,
) -> None:
    here.sql.execute("insert into queue (name) values ('lonely')")
    here.sql.execute("update schedule set queue = 'lonely', expires = '5 seconds'")
    here.sql.execute("update schedule_state set last_state = 'expired', last_run_at = now()")
    assert follow(here) == (1, 0)
    assert titles(here) == ["no worker serves the queue lonely"]
    (text,) = texts(here)
    assert text.startswith("the last run of 1 schedule expired, the latest ")
    assert text.endswith("; start a worker with -Q lonely")

    sign(here, "one@here", "worker", queues=["lonely"])
    assert follow(here) == (0, 1)


def test_runs_that_expire_in_a_queue_that_is_served_are_not_read(here: Any) -> None:
    # Nobody serves prices, and nothing asks for it.
    sign(here, "all@here", "worker", queues=["discovery", "listings", "notices", "upkeep"])
    here.sql.execute(
        "insert into schedule (name, task, every)"
        " select 's-' || n, 'tasks.discovery.discover', '1 hour' from generate_series(1, 300) n"
    )
    here.sql.execute(
        "insert into schedule_state (schedule, last_state, last_run_at) select name, 'expired', now()"
        " from schedule on conflict (schedule) do update set last_state = 'expired', last_run_at = now()"
    )
    read = (
        "select coalesce(sum(idx_tup_fetch), 0)::int as rows from pg_stat_xact_user_tables"
        " where relname in ('schedule', 'schedule_state')"
    )
    with here.sql.transaction():
        here.sql.execute("set local enable_seqscan = off")
        before = here.one(read)["rows"]
        here.all("select * from trouble")
        assert here.one(read)["rows"] - before < 100


def test_kinds_without_a_schedule_are_passed_by_without_reading_all_schedules(here: Any) -> None:
    # Nobody serves any queue, and all schedules are of one kind: of few the planner reads any index.
    here.sql.execute("delete from heartbeat")
    with here.sql.transaction():
        here.sql.execute("set local session_replication_role = replica")
        here.sql.execute(
            "insert into schedule (name, task, every, revision)"
            " select 's-' || n, 'tasks.discovery.discover', '1 hour', 1 from generate_series(1, 30000) n"
        )
        here.sql.execute(
            "insert into schedule_state (schedule, last_state, last_run_at, claim_at)"
            " select name, case name when 's-1' then 'expired' else 'succeeded' end, now(), now() from schedule"
            " on conflict (schedule) do nothing"
        )
    here.sql.execute("analyze schedule, schedule_state")
    read = (
        "select (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as rows from pg_stat_xact_user_tables"
        " where relname = 'schedule'"
    )
    with here.sql.transaction():
        before = here.one(read)["rows"]
        here.all("select * from trouble")
        assert here.one(read)["rows"] - before < 100
