"""The dead-man's switch is called by runs that prove that the system works, and by no others."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

PATH = "/api/push/a-token-nobody-may-see"


@pytest.fixture
def ping(connection: Any, imitation: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``ping(only_without_trouble=True)`` runs the kind; returns the run's row and the calls so far."""
    server = imitation("generic")
    monkeypatch.setenv("WATCHKEEPER_CHANNEL_ALIVE", server.url + PATH)
    connection.execute("insert into upstream (name, base_url) values ('kuma', %s)", (server.url,))
    connection.execute(
        "insert into channel (name, kind, target, upstream, incidents)"
        " values ('alive', 'webhook', 'env:WATCHKEEPER_CHANNEL_ALIVE', 'kuma', false)"
    )

    def run(schedule: str | None = "alive", **options: Any) -> tuple[dict[str, Any], list[str]]:
        from workers.app import app

        app.loader.import_default_modules()
        run_id = uuid.uuid4()
        connection.execute(
            "insert into run (id, schedule, task, options, trigger, due_at, state, queue, max_attempts,"
            " batch_count, open_batches)"
            " values (%s, %s, 'tasks.watches.ping', %s, 'schedule', now(), 'due', 'notices', 1, 1, 1)",
            (run_id, schedule, json.dumps({"channel": "alive", **options})),
        )
        connection.execute(
            "insert into batch (run_id, seq, task, queue) values (%s, 0, 'tasks.watches.ping', 'notices')",
            (run_id,),
        )
        app.tasks["tasks.watches.ping"].apply(args=(str(run_id), 0), task_id=str(run_id))
        row = connection.execute("select * from run where id = %s", (run_id,)).fetchone()
        return row, [one["path"] for one in server.get("/_log")]

    return run


def test_a_run_of_a_schedule_calls_the_address_and_keeps_its_secret(ping: Any, connection: Any) -> None:
    run, calls = ping()
    assert (run["state"], run["result"]["summary"]) == ("succeeded", "called")
    assert calls == [PATH]
    permits = connection.execute("select path from permit where upstream = 'kuma'").fetchall()
    assert len(permits) == 1
    assert "token" not in permits[0]["path"]


def test_a_run_that_beat_did_not_make_proves_nothing(ping: Any) -> None:
    run, calls = ping(schedule=None)
    assert run["state"] == "failed"
    assert "beat did not make this run" in run["error"]
    assert calls == []


def test_trouble_keeps_a_careful_switch_silent(ping: Any) -> None:
    # No beat runs here, which is trouble.
    run, calls = ping(only_without_trouble=True)
    assert "the ping was left out because of: no beat runs" in run["error"]
    assert calls == []
    assert ping()[1] == [PATH]


def test_an_unknown_channel_is_named(ping: Any) -> None:
    run, calls = ping(channel="nobody")
    assert "there is no channel named nobody" in run["error"]
    assert calls == []
