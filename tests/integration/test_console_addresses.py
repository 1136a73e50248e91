"""Addresses of pages: what they name, and where one goes on to."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import exc

from tests.support.console import Console


@pytest.mark.parametrize("name", ["all", "new", "bulk", "operations", "preview"])
def test_a_schedule_may_be_called_like_a_page(console: Console, connection: Any, name: str) -> None:
    connection.execute(
        "insert into schedule (name, task, every) values (%s, 'tasks.upkeep.retention', '1 day')",
        (name,),
    )
    page = console.as_()

    assert f"<title>{name} · " in page.get(f"/schedules/{name}").text
    assert f"<title>Copy {name} · " in page.get(f"/schedules/{name}/copy").text
    paused = page.post(f"/schedules/{name}/pause", data={})
    assert paused.headers["location"].startswith(f"/schedules/{name}?saved=")
    found = connection.execute(
        "select paused, (select array_agg(name) from schedule where paused_until is not null) as names"
        "  from pause_switch"
    ).fetchone()
    assert (found["paused"], found["names"]) == (False, [name])


def test_who_is_no_longer_logged_in_comes_back_to_the_page_of_the_form(console: Console) -> None:
    page = console.client()
    form = {"timing": "every", "every": "2 hours"}
    for referer, to in (
        (f"{console.url}/tables/rule/row?name=mine", "/login?next=/tables/rule/row%3Fname%3Dmine"),
        (console.url, "/login"),
        ("", "/login"),
    ):
        answer = page.post("/schedules/mine", data=form, headers={"referer": referer})
        assert (answer.status_code, answer.headers["location"]) == (303, to)
    # A part of a page that is fetched again leaves the page, and what was typed there, as it is.
    part = page.get("/schedules", headers={"hx-request": "true"})
    assert (part.status_code, part.headers.get("hx-redirect")) == (401, None)


def test_a_symbol_that_was_never_found_has_a_page(console: Console, connection: Any) -> None:
    connection.execute("insert into watchlist_item (symbol, note) values ('NEVER', 'asked for')")
    page = console.as_()

    shown = page.get("/watches/quotes/NEVER")
    assert (shown.status_code, "asked for" in shown.text) == (200, True)
    for nothing in ("quotes/NOTHING", "tokens/1", "tokens/nothing", "listings/1"):
        assert page.get(f"/watches/{nothing}").status_code == 404, nothing


def test_a_page_that_waits_for_postgres_asks_again(console: Console) -> None:
    page = console.as_()
    assert "http-equiv" not in page.get("/schedules/nothing").text

    def away() -> None:
        raise exc.TimeoutError  # as the pool says that no connection was free in time

    console.app.state.database.transaction = away
    asked = page.get("/schedules")
    assert (asked.status_code, '<meta http-equiv="refresh"' in asked.text) == (503, True)
    sent = page.post("/schedules/mine/pause", data={})
    assert (sent.status_code, "http-equiv" in sent.text) == (503, False)
