"""What the page of problems links to."""

from __future__ import annotations

import re
from typing import Any

from tests.support.console import Console


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
