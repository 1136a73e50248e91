"""What is no message lies in a queue: it costs itself, and the worker goes on."""

from __future__ import annotations

import base64
import copy
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import redis

from beat.tick.envelope import Envelopes
from tests.support.runs import KINDS
from workers.installation.queues import queue_names
from workers.ledger.sent import Message
from workers.pool.broker import TRANSPORT_OPTIONS

pytestmark = pytest.mark.outside(16)


def good() -> dict[str, Any]:
    """A message as beat sends it, for a run that does not exist."""
    from workers.app import app

    message = Message(str(uuid.uuid4()), 0, 0, "tests.counting", "upkeep", 5, None)
    made: dict[str, Any] = json.loads(Envelopes(app).fill(message))
    return made


def changed(change: Callable[[dict[str, Any]], Any]) -> str:
    message = copy.deepcopy(good())
    change(message)
    return json.dumps(message)


def body(text: str) -> str:
    return changed(lambda m: m.update(body=base64.b64encode(text.encode()).decode()))


#: Not JSON at all.
TEXTS: list[bytes | str] = [
    b"{broken", b"", b" ", b"\x00\xff\xfe binary \x80", b"x" * 5_000_000, b"[" * 100_000, b"9" * 10_000,
    b"NaN", b"null", b"true", b"7", b'"text"', b"[]", b"{}", b'[1, {"a": 2}]',
    b'{"__type__": "uuid", "__value__": 5}', b'{"__type__": "datetime", "__value__": "never"}',
]  # fmt: skip
#: JSON, and no message of Celery's.
BROKEN: list[str] = [
    changed(lambda m: m.pop("properties")),
    changed(lambda m: m.update(properties=[])),
    changed(lambda m: m["properties"].pop("delivery_tag")),
    changed(lambda m: m["properties"].update(delivery_tag=None)),
    changed(lambda m: m["properties"].update(delivery_tag={"a": 1})),
    changed(lambda m: m["properties"].update(delivery_tag=7)),
    changed(lambda m: m["properties"].pop("delivery_info")),
    changed(lambda m: m["properties"].update(delivery_info={})),
    changed(lambda m: m["properties"].update(delivery_info="x")),
    changed(lambda m: m["properties"].update(body_encoding="rot13")),
    changed(lambda m: m["properties"].update(reply_to={"a": 1}, correlation_id=7, priority="high")),
    changed(lambda m: m.update(body="not base64 !!")),
    changed(lambda m: m.update(body="aGVsb")),
    changed(lambda m: m.update(body=5)),
    changed(lambda m: m.update(body=None)),
    changed(lambda m: m.pop("body")),
    changed(lambda m: m.pop("headers")),
    changed(lambda m: m.update(headers=None)),
    changed(lambda m: m.update(headers=[1, 2])),
    changed(lambda m: m.update(headers="x")),
    changed(lambda m: m.update({"content-type": "application/x-python-serialize"})),
    changed(lambda m: m.update({"content-type": 5})),
    changed(lambda m: m.update({"content-encoding": "utf-99"})),
    changed(lambda m: m.update({"content-encoding": 8})),
    *(
        changed(lambda m, h=header, v=value: m["headers"].update({h: v}))  # type: ignore[misc]
        for header, value in [
            ("task", None), ("task", 5), ("task", {"a": 1}), ("task", ["x"]), ("task", "no.such.task"),
            ("id", None), ("id", 5), ("id", {"a": 1}), ("id", "x" * 100_000),
            ("eta", "never"), ("eta", 5), ("expires", "never"), ("expires", {"a": 1}), ("retries", "many"),
            ("timelimit", "soon"), ("timelimit", ["x", "y"]), ("timelimit", 5), ("timelimit", [None]),
            ("root_id", {"a": 1}), ("parent_id", 5), ("group", {"a": 1}), ("argsrepr", 5),
            ("origin", 5), ("compression", "zip of another world"), ("compression", 5),
            ("stamps", "x"), ("stamped_headers", 5), ("lang", None), ("ignore_result", "x"),
        ]
    ),
    *(changed(lambda m, h=header: m["headers"].pop(h)) for header in ("task", "id", "lang")),  # type: ignore[misc]
    *(
        body(text)
        for text in (
            "", "{", "[]", "{}", "null", "7", "[[], {}]", "[1, 2, 3]", '["x", {}, {}]', "[[], [], []]",
            '[["not a uuid", 0], {}, {}]', '[["' + str(uuid.uuid4()) + '", "zero"], {}, {}]',
            "[[" + "[" * 5_000 + "]" * 5_000 + "], {}, {}]", '[[{"a": 1}, {}], {}, {"chord": 5}]',
            '[[], {"items": -5, "nonsense": {}}, {}]', '["' + "x" * 3_000_000 + '", {}, {}]',
        )
    ),
]  # fmt: skip


def test_broken_messages_of_every_form_are_dropped_and_work_goes_on(
    celery_process: Any, broker_url: str, new_run: Any, row: Any, eventually: Any
) -> None:
    broker = redis.Redis.from_url(broker_url)
    celery_process("beat")
    worker = celery_process("worker", "-Q", ",".join(queue_names()), "-c", "2", app=KINDS)
    first = new_run("tests.counting", items=1)
    eventually(lambda: row(first)["state"] == "succeeded", within=60)

    steps = TRANSPORT_OPTIONS["priority_steps"]
    lists = [
        queue if step == 0 else f"{queue}\x06\x16{step}" for queue in queue_names() for step in steps
    ]
    for number, text in enumerate([*TEXTS, *BROKEN]):
        broker.lpush(lists[number % len(lists)], text)
    for name in lists:
        broker.lpush(name, b"{broken")

    eventually(lambda: not any(broker.llen(name) for name in lists), within=60)
    second = new_run("tests.counting", items=1)
    eventually(lambda: row(second)["state"] == "succeeded", within=60)
    assert worker.running, worker.tail(30)
    said = worker.log.read_text(errors="replace")
    assert "Unrecoverable error" not in said
    assert said.count("message.dropped") >= len(lists)
    eventually(lambda: broker.hlen("unacked") == 0, within=20)


def test_a_broken_order_by_remote_control_ends_no_worker(
    celery_process: Any, broker_url: str, new_run: Any, row: Any, eventually: Any
) -> None:
    broker = redis.Redis.from_url(broker_url)
    celery_process("beat")
    worker = celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS)
    first = new_run("tests.counting", items=1)
    eventually(lambda: row(first)["state"] == "succeeded", within=60)

    for text in [*TEXTS[:4], b"[]", b"7", b"[" * 100_000, *BROKEN[:24]]:
        assert broker.publish("/0.celery.pidbox", text) >= 1

    second = new_run("tests.counting", items=1)
    eventually(lambda: row(second)["state"] == "succeeded", within=60)
    assert worker.running, worker.tail(30)
