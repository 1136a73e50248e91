"""A plain task's arguments are checked by the database, by the signature of its function."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest


def add(connection: Any, task: str, options: dict[str, Any]) -> None:
    connection.execute("delete from schedule where name = 'mine'")
    connection.execute(
        "insert into schedule (name, task, every, options) values ('mine', %s, '1 hour', %s)",
        (task, json.dumps(options)),
    )


def test_every_registered_task_is_a_kind(plain: Any, connection: Any) -> None:
    rows = connection.execute("select * from task_kind where plain order by name").fetchall()
    found = {row["name"]: row for row in rows}

    assert {"plain.add", "plain.typed", "celery.backend_cleanup", "celery.starmap"} <= found.keys()
    assert "celery.chord_unlock" not in found
    assert not {"tests.counting", "tasks.prices.refresh"} & found.keys()
    assert found["plain.add"]["description"] == "Add two numbers."
    assert found["plain.hangs"]["timeout"].total_seconds() == 3
    assert (found["plain.late"]["acks_late"], found["plain.add"]["acks_late"]) == (True, False)
    assert {row["max_attempts"] for row in rows} == {1}


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("plain.add", {"args": [1]}),
        ("plain.add", {"args": [1, 2]}),
        ("plain.add", {"kwargs": {"x": 1, "y": -7}}),
        ("plain.add", {"args": [1], "kwargs": {"y": 2}}),
        ("plain.typed", {"args": ["fast"]}),
        ("plain.typed", {"args": ["slow", 1], "kwargs": {"days": ["2026-11-23"], "anything": 4}}),
        ("plain.typed", {"args": ["slow"], "kwargs": {"share": 0.25, "days": None}}),
        ("plain.order", {"kwargs": {"given": {"number": 5, "items": ["a"]}}}),
        ("plain.free", {"args": [1, {"any": ["thing"]}, None, 3], "kwargs": {"other": None}}),
        ("plain.whoami", {}),
        ("celery.backend_cleanup", {}),
    ],
)
def test_arguments_that_the_signature_takes_are_saved(
    plain: Any, connection: Any, task: str, options: dict[str, Any]
) -> None:
    add(connection, task, options)


@pytest.mark.parametrize(
    ("task", "options", "said", "hint"),
    [
        ("plain.add", {}, 'plain.add needs argument "x"', "a whole number"),
        ("plain.add", {"args": ["one"]}, 'argument "x" = "one" is not allowed', "a whole number"),
        ("plain.add", {"args": [1, 2, 3]}, "plain.add takes at most 2 arguments by place, not 3", "x, y"),
        ("plain.add", {"args": [1], "kwargs": {"x": 2}}, 'argument "x" of plain.add is given twice', "Leave"),
        ("plain.add", {"args": [1], "kwargs": {"z": 2}}, 'plain.add has no argument "z"', "It takes: x, y"),
        ("plain.add", {"x": 1}, 'plain.add has no option "x"', "It takes: args, kwargs"),
        ("plain.add", {"args": {"x": 1}}, 'option "args" = {"x": 1} is not allowed', "a list"),
        ("plain.typed", {}, 'plain.typed needs argument "mode"', "one of fast, slow"),
        ("plain.typed", {"kwargs": {"mode": "fast"}}, 'argument "mode"', "a whole number"),
        ("plain.typed", {"args": ["medium"]}, 'argument "mode" = "medium" is not allowed', "one of fast, slow"),
        ("plain.typed", {"args": ["fast", 1.5]}, 'argument "share" = 1.5', "a number from 0 to 1"),
        ("plain.typed", {"args": ["fast"], "kwargs": {"days": ["soon"]}}, 'argument "days"', "a date"),
        ("plain.typed", {"args": ["fast"], "kwargs": {"more": "x"}}, 'argument "more" = "x"', "a whole number"),
        ("plain.order", {"kwargs": {"given": {"number": "many"}}}, 'argument "given"', "an object"),
        ("plain.order", {"kwargs": {"given": {}}}, 'argument "given"', "an object"),
        ("plain.order", {"kwargs": {"given": {"number": 1, "items": [5]}}}, 'argument "given"', "an object"),
        ("plain.whoami", {"args": ["a", "b"]}, "plain.whoami takes at most 1 arguments by place, not 2", "what"),
    ],
)  # fmt: skip
def test_arguments_that_it_does_not_take_are_refused_in_words(
    plain: Any, connection: Any, task: str, options: dict[str, Any], said: str, hint: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        add(connection, task, options)
    assert said in str(refused.value.diag.message_primary)
    assert hint in str(refused.value.diag.message_hint)
