"""What pages link to where something is wrong."""

from __future__ import annotations

import re
from typing import Any

from selectolax.lexbor import LexborHTMLParser as HTMLParser

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


def test_a_page_that_others_edited_meanwhile_links_to_what_it_is_now(
    console: Console, connection: Any
) -> None:
    connection.execute("insert into rule (name, expression) values ('cheap', 'price < 1')")
    connection.execute(
        "insert into schedule (name, task, every) values ('mine', 'tasks.upkeep.retention', '1 hour')"
    )
    browser = console.as_("operator")
    for page, edit in (
        ("/tables/rule/row?name=cheap", "update rule set expression = 'price < 2'"),
        ("/schedules/mine", "update schedule set note = 'theirs'"),
    ):
        form = HTMLParser(browser.get(page).text).css_first("form.card[method=post]")
        assert form is not None
        sent = {
            one.attributes["name"]: one.attributes.get("value") or one.text()
            for one in form.css("input[name], textarea[name]")
        }
        connection.execute(edit)
        answer = browser.post(form.attributes["action"], data=sent)

        assert answer.status_code == 412, answer.text
        shown = HTMLParser(answer.text)
        assert "was changed meanwhile" in shown.css_first(".refused").text()
        link = next(one for one in shown.css("main a") if one.text() == "Show it as it is now")
        assert link.attributes["href"] == page
