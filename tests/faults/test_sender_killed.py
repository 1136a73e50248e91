"""The sender killed with -9 around the hand-over: everybody hears of everything, once where that can be."""

from __future__ import annotations

import json
from typing import Any

import pytest

SHORT = {"WATCHKEEPER_LEASE_SECONDS": "3"}


@pytest.mark.parametrize(
    ("point", "copies"),
    [
        ("before-hand-over", {1}),
        # The server's answer died with the process: nobody can know that it had taken the message.
        ("after-hand-over", {1, 2}),
        ("after-sent", {1}),
    ],
)
def test_a_notice_arrives_though_its_sender_is_killed(
    people: Any, celery_process: Any, eventually: Any, point: str, copies: set[int]
) -> None:
    people.channel("discord")
    env = {**SHORT, "WATCHKEEPER_CHANNEL_TEST": "/api/webhooks/123/a-token-nobody-may-see"}
    queue = ("-Q", "notices", "-c", "1")
    celery_process("beat", **SHORT)
    doomed = celery_process("worker", *queue, WATCHKEEPER_FAULT_POINT=point, **env)
    content = json.dumps({"title": "Something", "text": "is the matter"})
    people.sql.execute(
        "insert into notice (channel, key, content) values ('discord', 'one', %s)", (content,)
    )
    people.sql.execute("insert into run_request (action, schedule) values ('run', 'send-notices')")
    eventually(lambda: "signal 9" in doomed.log.read_text(), within=60)
    # Its next child would take the batch again, and die again.
    doomed.kill()

    celery_process("worker", *queue, **env)

    eventually(lambda: people.states() == {"discord": ["sent"]}, within=60)
    eventually(lambda: not people.all("select from run where finished_at is null"), within=60)
    assert len(people.in_discord()) in copies
