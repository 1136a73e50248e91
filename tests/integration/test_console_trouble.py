"""What the page of problems links to."""

from __future__ import annotations

import re
from typing import Any

from tests.support.console import Console
from tests.support.waiting import wait_for


def test_a_rule_that_cannot_be_read_links_to_its_row_which_says_why(
    console: Console, connection: Any
) -> None:
    connection.execute("insert into rule (name, expression) values ('cheap', 'pric < 3')")
    connection.execute(
        "insert into rule_state (rule, revision, error, error_at, hint)"
        " values ('cheap', 1, 'there is no field \"pric\"', 0, 'did you mean \"price\"?')"
    )
    page = console.as_()

    problems = page.get("/trouble").text
    link = re.search(r'href="([^"]*cheap[^"]*)"', problems)
    assert link is not None
    row = page.get(link.group(1))
    assert row.status_code == 200
    assert "there is no field" in row.text


def test_the_strip_links_notices_that_are_held_to_those_of_the_outbox(
    console: Console, connection: Any
) -> None:
    connection.execute(
        "insert into channel (name, kind, target, upstream)"
        " values ('ops', 'discord', 'env:WATCHKEEPER_CHANNEL_OPS', 'discord')"
    )
    connection.execute(
        "insert into notice (channel, key, content, created_at)"
        " values ('ops', 'one', '{}', now() - interval '1 hour')"
    )
    page = console.as_("viewer")

    shown = re.compile(r'href="([^"]*)"[^>]*><span[^>]*>✉</span> 1 notice held')
    # The strip may be a second old.
    link: Any = wait_for(lambda: shown.search(page.get("/").text))
    held = page.get(link.group(1))
    assert held.status_code == 200
    assert "ops" in held.text
