"""The stream of an open page: which keys changed, which of them people edited, and for how long it goes on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import pytest

from console.access import MAX_AT_ONCE
from tests.support.console import Console

pytestmark = pytest.mark.timeout(60)


@contextmanager
def open_stream(client: httpx2.Client) -> Iterator[Callable[[str], Any]]:
    """``told(event)`` returns the data of the next event of that name."""
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()

        def told(event: str) -> Any:
            for line in lines:
                if line == f"event: {event}":
                    return next(lines).removeprefix("data: ")
            raise AssertionError("the stream ended")

        # The first strip is sent after the first look.
        told("strip")
        yield told


def test_an_edit_is_told_apart_from_what_runs_change(
    console: Console, connection: Any, new_run: Callable[..., Any]
) -> None:
    connection.execute(
        "insert into schedule (name, task, every) values ('mine', 'tasks.discovery.discover', '1 hour')"
    )
    with open_stream(console.as_("viewer")) as told:
        for _ in range(30):
            new_run("tests.counting", schedule="busy")
        assert len([key for key in json.loads(told("changed")) if key.startswith("run:")]) > 0

        connection.execute("update schedule set note = 'edited' where name = 'mine'")
        assert json.loads(told("edited")) == ["change:*", "schedule:mine"]


def test_an_edit_that_beat_has_planned_is_told(console: Console, connection: Any) -> None:
    connection.execute(
        "insert into schedule (name, task, every) values ('mine', 'tasks.discovery.discover', '1 hour')"
    )
    with open_stream(console.as_()) as told:
        connection.execute("delete from schedule_edit")  # as beat does with what it planned

        assert "schedule:mine" in json.loads(told("edited"))


def test_edits_of_very_many_rows_say_everything(console: Console, connection: Any) -> None:
    connection.execute("""
        insert into schedule (name, task, every)
        select 's-' || n, 'tasks.discovery.discover', '1 hour' from generate_series(1, 500) n""")
    with open_stream(console.as_()) as told:
        connection.execute("update schedule set note = 'edited'")

        assert json.loads(told("edited")) == ["*"]


def test_every_live_part_has_an_id_and_the_changes_page_is_one(console: Console) -> None:
    client = console.as_()
    for path in (
        "/",
        "/schedules",
        "/runs",
        "/budgets",
        "/workers",
        "/changes",
        "/outbox",
        "/channels",
        "/matches",
    ):
        page = client.get(path).text
        parts = [tag for tag in page.split("<") if "data-live=" in tag]
        assert parts, path
        assert all(' id="' in tag for tag in parts), path


def test_a_page_is_told_to_look_again_once_its_stream_is_open(console: Console) -> None:
    """A change between a page and its stream was told to nobody, or to other pages alone."""
    with open_events(console.as_()) as first, open_events(console.as_("viewer")) as second:
        for lines in (first, second):
            told = list(itertools.takewhile(lambda line: line != "event: strip", lines))
            assert told[-3:] == ["event: changed", 'data: ["*"]', ""]


@contextmanager
def open_events(client: httpx2.Client) -> Iterator[Iterator[str]]:
    with client.stream("GET", "/events") as answer:
        yield answer.iter_lines()


def test_open_pages_hold_no_connection_to_postgres(console: Console) -> None:
    client = console.as_()
    with ExitStack() as streams:
        for _ in range(MAX_AT_ONCE + 1):
            streams.enter_context(open_events(client))
        assert client.get("/schedules").status_code == 200
