"""`celery watch …` and `celery notify …`, as a person types them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.support.notices import HOOK

Celery = Any


@pytest.fixture
def celery(people: Any) -> Any:
    from celery.bin.celery import celery as program

    def run(*words: str) -> Result:
        return CliRunner().invoke(program, ["-A", "workers.app", *words])

    return run


@pytest.fixture
def found(scrapes: Any, people: Any, make_listing: Any) -> Any:
    scrapes.site_server.ads["full-size"] = [
        make_listing(1, title="Sennheiser HD 650", price="220 USD"), make_listing(2, title="Cable", price="9 USD"),
    ]  # fmt: skip
    scrapes.run()
    return scrapes


def test_check_says_where_a_rule_is_wrong_and_exits_1(celery: Any, people: Any) -> None:
    people.rule("good", "price < 300")
    assert celery("watch", "check").exit_code == 0
    people.rule("bad", "price < ")

    done = celery("watch", "check", "--json")

    assert done.exit_code == 1
    (bad,) = [row for row in json.loads(done.stdout) if row["name"] == "bad"]
    assert bad["state"].startswith("wrong: ")


def test_a_rule_is_tested_against_what_was_seen_and_nothing_is_sent(
    celery: Any, found: Any, people: Any
) -> None:
    people.rule("hd", 'title contains "HD 650"')

    by_name = celery("watch", "test", "hd", "--against", "7d", "--json")
    tried = celery("watch", "test", "price < 100", "--json")

    assert [row["title"] for row in json.loads(by_name.stdout)] == ["Sennheiser HD 650"]
    assert [row["title"] for row in json.loads(tried.stdout)] == ["Cable"]
    assert "1 of 2 seen within 7d fit" in by_name.stderr
    assert people.all("select from match") == []


def test_a_rule_is_explained_clause_by_clause(celery: Any, found: Any) -> None:
    key = str(found.ad(1)["id"])

    done = celery("watch", "explain", 'title contains "HD" and price < 200', key, "--json")

    assert done.exit_code == 1
    told = {row["clause"]: row["fits"] for row in json.loads(done.stdout)}
    assert list(told.values()) == [True, False, True, False]
    assert celery("watch", "explain", "price < 300", key).exit_code == 0
    assert celery("watch", "explain", "price < 300", "99999").exit_code == 3


def test_a_rule_is_explained_for_an_ad_by_the_number_that_lists_show(
    celery: Any, found: Any, people: Any
) -> None:
    (ad, *_) = json.loads(celery("listings", "list", "--title", "Cable", "--json").stdout)
    people.rule("far", "price < 300", filters={"ships_to": ["Mars"], "exclude_status": ["active"]})

    done = celery("watch", "explain", "far", ad["id"], "--json")

    told = {row["clause"]: row for row in json.loads(done.stdout)}
    assert told["the whole rule"]["is"] == "Cable"
    assert told["filters"]["note"] == "not passed: exclude_status"
    assert celery("watch", "explain", "far", "no-such-number").exit_code == 3


def test_a_rule_whose_filters_are_wrong_is_refused_in_words(celery: Any, people: Any) -> None:
    people.rule("bad", "price < 300", filters={"ships_to": "US"})

    done = celery("watch", "test", "bad")

    assert (done.exit_code, done.exception.__class__) == (4, SystemExit)
    assert "filter ships_to is a list of texts" in done.stderr


def test_an_unknown_field_is_refused_with_a_suggestion(celery: Any) -> None:
    done = celery("watch", "test", "prize < 300")

    assert done.exit_code == 4
    assert 'did you mean "price"?' in done.stderr


def test_notify_test_prints_the_servers_answer_and_exits_1_on_failure(
    celery: Any, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.channel("discord")
    people.channel("email")

    done = celery("notify", "test", "discord")
    assert (done.exit_code, done.stdout.startswith("Discord said 200, message ")) == (0, True)
    assert celery("notify", "test", "email").stdout == "the server took it for 2 of 2\n"
    monkeypatch.setenv("WATCHKEEPER_CHANNEL_TEST", HOOK.replace("/123/", "/0123/"))
    refused = celery("notify", "test", "discord")

    assert refused.exit_code == 1
    assert "Discord said 404: Unknown Webhook" in refused.stderr
    assert celery("notify", "test", "nobody").exit_code == 3


def test_the_outbox_is_shown_previewed_and_sent_again(
    celery: Any, found: Any, people: Any, make_listing: Any
) -> None:
    people.channel("discord")
    people.rule("hd", 'title contains "HD 800"')
    found.site_server.ads["full-size"] = [
        make_listing(3, title="HD 800", price="600 USD"),
        *found.site_server.ads["full-size"],
    ]
    found.run()
    (notice,) = json.loads(celery("notify", "outbox", "--json").stdout)
    assert (notice["what"], notice["state"]) == ("HD 800", "waiting")

    preview = json.loads(celery("notify", "preview", str(notice["id"])).stdout)
    assert preview["embeds"][0]["title"] == "HD 800"
    people.sql.execute("update notice set state = 'dead'")
    assert celery("notify", "resend").stderr == "1 notice will be sent again\n"
    people.send()

    (channel,) = json.loads(celery("notify", "channels", "--json").stdout)
    assert (channel["sent"], channel["dead"]) == (1, 0)
