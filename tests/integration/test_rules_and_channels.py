"""What people do with rules, channels, sites and categories in SQL, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tasks.listings import currencies

CONTENT = {"title": "Something", "text": "is the matter"}


@pytest.fixture
def matched(channels: Any) -> Any:
    """A rule with a match, whose notice waits in channel desk."""
    channels.channel("discord", "desk")
    channels.rule("hd", "price < 300")
    channels.sql.execute(
        "with m as (insert into match (rule, subject, subject_id, occasion, occasion_key, title, facts)"
        " values ('hd', 'listing', '1', 'new', 'new', 'HD 650', '{}') returning id)"
        " insert into notice (channel, key, match_id) select 'desk', 'match ' || id, id from m"
    )
    return channels


def refused(connection: Any, statement: str) -> tuple[str, str]:
    with pytest.raises(psycopg.errors.CheckViolation) as error:
        connection.execute(statement)
    return str(error.value.diag.message_primary), error.value.diag.message_hint or ""


@pytest.mark.parametrize(
    ("table", "old", "new"), [("rule", "hd", "hd-650"), ("channel", "desk", "phone")]
)
def test_what_is_renamed_keeps_its_history_and_undo_gives_the_name_back(
    matched: Any, login: Callable[[str], str], table: str, old: str, new: str
) -> None:
    named = "select m.rule, n.channel from notice n join match m on m.id = n.match_id"
    before = matched.one(named)
    with psycopg.connect(login("operator"), autocommit=True) as operator:
        operator.execute(f"update {table} set name = '{new}' where name = '{old}'")
        assert new in matched.one(named).values()

        change = matched.one("select * from change order by id desc limit 1")
        assert (change["action"], change["name"]) == ("update", new)
        assert (change["old"], change["new"]) == ({"name": old}, {"name": new})
        operator.execute("select undo_change(%s)", (change["id"],))
    assert matched.one(named) == before


def test_several_that_are_renamed_at_once_are_some_that_went_and_some_that_came(channels: Any) -> None:
    for name in ("one", "two"):
        channels.rule(name, "price < 300")
    channels.sql.execute("update rule set name = name || '-x'")

    last = channels.all("select action, name from change order by id desc limit 4")
    assert sorted(row["action"] + " " + row["name"] for row in last) == [
        "delete one", "delete two", "insert one-x", "insert two-x",
    ]  # fmt: skip


def test_a_channel_that_a_schedule_names_stays(channels: Any) -> None:
    channels.channel("discord", "desk")
    channels.sql.execute(
        "insert into schedule (name, task, every, options)"
        " values ('dead-man', 'tasks.watches.ping', '1 minute', '{\"channel\": \"desk\"}')"
    )
    for statement in ("delete from channel", "update channel set name = 'phone'"):
        message, hint = refused(channels.sql, statement)
        assert message == 'channel "desk" is named by schedules: dead-man'
        assert "DELETE FROM schedule" in hint


def test_a_site_keeps_its_name(channels: Any) -> None:
    message, hint = refused(channels.sql, "update site set name = 'heads' where name = 'head_fi'")
    assert message == "a site cannot be renamed"
    assert "UPDATE site SET title = 'heads' WHERE name = 'head_fi';" in hint


def test_a_server_that_is_not_there_is_named_with_the_nearest(channels: Any) -> None:
    channels.channel("discord")
    for statement in (
        "update channel set upstream = 'discrod'",
        "update site set upstream = 'discrod'",
    ):
        message, hint = refused(channels.sql, statement)
        assert message == 'no upstream named "discrod"'
        assert hint.startswith("Did you mean discord? Upstreams: ")


@pytest.mark.parametrize(
    "statement", ["insert into rule (name, expression, currency) values ('x', 'price < 3', 'EUD')",
                  "update site set currency = 'EUD'"],
)  # fmt: skip
def test_a_misspelt_currency_is_refused(channels: Any, statement: str) -> None:
    message, hint = refused(channels.sql, statement)
    assert message == "currency: there is no EUD"
    assert hint.startswith("Did you mean EUR? ")


def test_sql_and_code_know_the_same_currencies(channels: Any) -> None:
    assert channels.one("select currency_codes() as codes")["codes"] == sorted(currencies.CODES)


def test_a_category_that_others_belong_to_can_be_removed(channels: Any) -> None:
    parents = "id in (select parent_id from category)"
    assert channels.sql.execute(f"delete from category where {parents}").rowcount > 0


def test_a_disabled_channel_gets_no_notices_also_of_rules_that_name_it(
    scrapes: Any, channels: Any, make_listing: Any
) -> None:
    channels.channel("discord", enabled=False)
    channels.channel("email")
    channels.rule("both", "price > 0", channels=["discord", "email"], baseline=True)
    scrapes.site_server.ads["full-size"] = [make_listing(1)]
    scrapes.run()

    assert channels.all("select channel, state from notice") == [
        {"channel": "email", "state": "waiting"}
    ]
    assert channels.one("select channels from rule_status") == {"channels": "discord (disabled), email"}


def test_what_waits_of_a_rule_is_dropped_when_it_is_disabled(matched: Any) -> None:
    matched.insert("notice", {"channel": "desk", "key": "other", "content": CONTENT})
    matched.sql.execute("update rule set enabled = false")

    found = matched.all("select state, answer from notice order by id")
    assert [tuple(row.values()) for row in found] == [
        ("dropped", "the rule was disabled"), ("waiting", None),
    ]  # fmt: skip


def test_a_channel_at_its_limit_starts_no_run_of_the_sender(matched: Any) -> None:
    asked = "select ask_for_sending() as asked"
    assert matched.one(asked) == {"asked": True}
    matched.sql.execute("update channel set max_per_hour = 1")
    matched.sql.execute(
        "insert into notice (channel, key, content, state, sent_at, message_id)"
        " values ('desk', 'sent', '{}', 'sent', clock_timestamp(), gen_random_uuid())"
    )

    assert matched.one(asked) == {"asked": False}
    assert matched.all("select sendable_channels()") == []


@pytest.mark.parametrize(
    ("pause", "resume"),
    [
        ("select pause_all('why')", "select resume_all()"),
        ("select pause('check-rules')", "select resume('check-rules')"),
        ("update schedule set enabled = false", "update schedule set enabled = true"),
    ],
)
def test_rules_that_were_edited_during_a_pause_are_read_when_it_ends(
    channels: Any, pause: str, resume: str
) -> None:
    channels.sql.execute(
        "insert into schedule (name, task, every) values ('check-rules', 'tasks.watches.check', '1 hour')"
    )
    channels.sql.execute(pause)
    channels.rule("hd", "price < 300")
    channels.sql.execute("delete from run_request")
    channels.sql.execute(resume)

    assert channels.all("select schedule, by_system from run_request") == [
        {"schedule": "check-rules", "by_system": True}
    ]


def test_ads_of_a_removed_category_expire_and_are_new_when_they_are_seen_again(
    scrapes: Any, channels: Any, make_listing: Any
) -> None:
    channels.channel("discord")
    channels.rule("late", "price > 0")
    scrapes.site_server.ads["full-size"] = [make_listing(1)]
    scrapes.run()
    scrapes.sql.execute(
        "with gone as (delete from category where slug = 'full-size' returning *)"
        " select * into temp kept from gone"
    )
    assert scrapes.ad(1)["status"] == "expired"
    assert scrapes.all("select before, status from listing_status_change order by id desc limit 1") == [
        {"before": "active", "status": "expired"}
    ]

    scrapes.sql.execute("insert into category overriding system value select * from kept")
    scrapes.run()
    # It is the first scrape of the category, so nobody is told.
    assert (scrapes.ad(1)["status"], channels.all("select from match")) == ("active", [])
