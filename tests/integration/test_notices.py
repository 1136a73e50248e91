"""From a finding to a person: rules asked with the finding, an outbox, messages that arrive once."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.support.discovery import boost, pair
from tests.support.notices import HOOK
from workers.db import driver_transaction
from workers.ledger import faults
from workers.ledger.rescued import take_over


@pytest.fixture
def watched(scrapes: Any, people: Any, make_listing: Any) -> Any:
    """A shop scraped once, so that what comes now is new."""
    scrapes.site_server.ads["full-size"] = [make_listing(1, title="Old ad")]
    scrapes.run()
    return scrapes


def add(watched: Any, *ads: Any) -> None:
    watched.site_server.ads["full-size"] = [*ads, *watched.site_server.ads["full-size"]]


def test_a_new_ad_that_fits_reaches_webhook_and_mailbox_once(
    watched: Any, people: Any, make_listing: Any
) -> None:
    people.channel("discord")
    people.channel("email")
    people.rule("hd650", 'title contains "HD 650" and price < 300')
    add(
        watched,
        make_listing(2, title="Sennheiser HD 650", price="220 USD"),
        make_listing(3, title="Cable", price="9 USD"),
    )

    watched.run()
    watched.run()
    assert people.send()["result"]["summary"] == "2 messages, 2 notices"
    people.send()

    (message,) = people.in_discord()
    (embed,) = message["embeds"]
    assert (embed["title"], embed["description"]) == ("Sennheiser HD 650", "New match for: hd650")
    assert {"name": "Price", "value": "220 USD", "inline": True} in embed["fields"]
    (mail,) = people.in_mailbox()
    assert mail["to"] == ["ann@example.org", "ben@example.org"]
    assert "Subject: [Watchkeeper] New match for: hd650: Sennheiser HD 650" in mail["text"]


def test_a_mail_that_the_server_took_counts_as_an_answered_call(
    watched: Any, people: Any, make_listing: Any
) -> None:
    people.channel("email")
    people.rule("hd650", 'title contains "HD 650" and price < 300')
    add(watched, make_listing(2, title="Sennheiser HD 650", price="220 USD"))
    watched.run()
    people.send()

    assert people.in_mailbox()
    (call,) = people.all("select status from permit where upstream = 'smtp'")
    assert call["status"] == 200


def test_whoever_writes_notices_asks_for_the_sender_in_the_same_transaction(
    watched: Any, people: Any, make_listing: Any
) -> None:
    people.channel("discord")
    people.rule("any", "price > 0")
    add(watched, make_listing(2))

    watched.run()

    asked = people.all("select schedule, xmin::text as tx from run_request where answered_at is null")
    notice = people.one("select xmin::text as tx from notice")
    assert [(row["schedule"], row["tx"]) for row in asked] == [("send-notices", notice["tx"])]


def test_the_first_scrape_is_silent_unless_the_rule_asks(
    scrapes: Any, people: Any, make_listing: Any
) -> None:
    people.channel("discord")
    people.rule("quiet", "price > 0")
    people.rule("eager", "price > 0", baseline=True)
    scrapes.site_server.ads["full-size"] = [make_listing(1)]

    scrapes.run()

    assert [row["rule"] for row in people.all("select rule from match")] == ["eager"]


def test_a_lower_price_is_an_occasion_of_its_own_with_both_prices(
    watched: Any, people: Any, make_listing: Any
) -> None:
    people.channel("discord")
    people.rule("cheap", "price < 920")
    people.rule("much", "price_drop >= 10 %")
    for price in ("950 USD", "900 USD", "900 USD", "800 USD"):
        watched.site_server.ads["full-size"] = [
            make_listing(2, title="DAC", price=price),
            make_listing(1, title="Old ad"),
        ]
        watched.run()

    rows = people.all("select rule, occasion_key from match order by id")
    assert [(row["rule"], row["occasion_key"]) for row in rows] == [
        ("cheap", "price_drop 900"), ("cheap", "price_drop 800"), ("much", "price_drop 800"),
    ]  # fmt: skip
    people.send()
    shown = [field["value"] for embed in people.in_discord()[0]["embeds"] for field in embed["fields"]]
    assert "950 USD → 900 USD" in shown


def test_an_ad_that_comes_to_fit_is_an_occasion_and_one_that_fitted_is_not(
    watched: Any, people: Any, make_listing: Any
) -> None:
    people.channel("discord")
    people.rule("cheap", "price < 300")
    people.rule("named", 'title contains "DAC"')
    for title, price in (("DAC", "make an offer"), ("DAC", "250 USD"), ("DAC, as new", "250 USD")):
        watched.site_server.ads["full-size"] = [
            make_listing(2, title=title, price=price),
            make_listing(1, title="Old ad"),
        ]
        watched.run()

    rows = people.all("select rule, occasion from match order by id")
    assert [tuple(row.values()) for row in rows] == [("named", "new"), ("cheap", "changed")]


def test_a_rule_about_ads_that_are_sold_is_asked_when_one_is(
    watched: Any, people: Any, make_listing: Any
) -> None:
    people.rule("gone", 'status = "sold"', filters={"exclude_status": []})
    people.rule("all", "price > 0")
    watched.site_server.ads["full-size"] = [make_listing(1, title="Old ad", overlay="Sold")]
    watched.run()

    assert people.all("select rule, occasion from match") == [{"rule": "gone", "occasion": "changed"}]


def test_nine_matches_are_one_message(watched: Any, people: Any, make_listing: Any) -> None:
    people.channel("discord")
    people.rule("any", "price > 0")
    watched.site_server.a_page = 20
    add(watched, *(make_listing(number) for number in range(2, 11)))

    watched.run()
    people.send()

    (message,) = people.in_discord()
    assert (len(message["embeds"]), message["content"]) == (9, "9 notices for: any")


def test_one_channel_fails_and_the_other_is_not_told_twice(
    watched: Any, people: Any, make_listing: Any
) -> None:
    people.channel("discord")
    people.channel("email")
    people.rule("any", "price > 0")
    add(watched, make_listing(2))
    watched.run()
    people.discord_server.control(down=60)

    assert people.send()["state"] == "running", "it comes back for the second try"
    assert people.states() == {"discord": ["waiting"], "email": ["sent"]}
    people.discord_server.control(down=0)
    people.now()
    people.send()

    assert people.states() == {"discord": ["sent"], "email": ["sent"]}
    assert (len(people.in_discord()), len(people.in_mailbox())) == (1, 1)


def test_only_the_run_that_was_refused_waits_for_the_next_try(people: Any) -> None:
    # Else none ends while notices are refused as fast as others come, each of which starts a run.
    people.channel("discord")
    content = {"title": "Something", "text": "is the matter"}
    people.insert("notice", {"channel": "discord", "key": "one", "content": content})
    people.discord_server.control(down=60)

    assert [people.send()["state"] for _ in range(3)] == ["running", "succeeded", "succeeded"]


def test_the_run_whose_process_died_comes_back_for_what_that_process_had(
    people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However soon: whoever reaps the process gives its batch back at once.
    people.channel("discord")
    content = {"title": "Something", "text": "is the matter"}
    people.insert("notice", {"channel": "discord", "key": "one", "content": content})

    def reap(at: str) -> None:
        if at == "after-hand-over":
            batch = people.one("select run_id, seq, fence from batch where state = 'running'")
            with driver_transaction() as connection:
                assert take_over(connection, **batch, died=True, counts=True) == "waiting"

    monkeypatch.setattr(faults, "point", reap)
    run = people.send()

    notice = people.one("select state, run_id, not_before from notice")
    batch = people.one("select state, not_before from batch where run_id = %s", run["id"])
    assert (notice["state"], notice["run_id"], run["state"]) == ("sending", run["id"], "running")
    assert (batch["state"], batch["not_before"]) == ("waiting", notice["not_before"])


def test_what_a_channel_has_left_waits_once_it_is_disabled(
    people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.channel("discord")
    content = {"title": "Something", "text": "is the matter"}
    for number in range(11):
        people.insert("notice", {"channel": "discord", "key": f"no. {number}", "content": content})
    disable = "update channel set enabled = false"
    monkeypatch.setattr(faults, "point", lambda at: at == "after-sent" and people.sql.execute(disable))

    assert people.send()["state"] == "succeeded"

    assert people.states() == {"discord": [*["sent"] * 10, "waiting"]}


def test_no_channel_is_taken_away_from_a_rule_that_would_then_tell_nobody(people: Any) -> None:
    people.channel("discord")
    people.channel("email")
    people.rule("hd", "price < 300", channels=["discord"])
    for statement in ("delete from channel", "update channel set name = 'desk' where name = 'discord'"):
        with pytest.raises(psycopg.errors.CheckViolation, match='"discord" is named by rules: hd'):
            people.sql.execute(statement)
    with pytest.raises(psycopg.errors.CheckViolation, match='no channel named "emails"') as refused:
        people.sql.execute("update rule set channels = '{discord,emails}'")
    assert (refused.value.diag.message_hint or "").startswith("Did you mean email? ")

    people.sql.execute("update rule set channels = null")
    people.sql.execute("delete from channel where name = 'discord'")
    assert people.all("select name from channel") == [{"name": "email"}]


def test_an_unknown_webhook_is_given_up_at_once_with_the_servers_words(
    watched: Any, people: Any, make_listing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHKEEPER_CHANNEL_TEST", HOOK.replace("/123/", "/0123/"))
    people.channel("discord")
    people.rule("any", "price > 0")
    add(watched, make_listing(2))
    watched.run()

    people.send()

    row = people.one("select state, answer, attempts from notice")
    assert row == {
        "state": "dead",
        "answer": "discord: Discord said 404: Unknown Webhook",
        "attempts": 1,
    }


def test_too_many_messages_block_the_upstream_and_cost_no_attempt(
    watched: Any, people: Any, make_listing: Any
) -> None:
    people.channel("discord")
    people.rule("any", "price > 0")
    add(watched, make_listing(2))
    watched.run()
    people.discord_server.control(retry_after=30)

    assert people.send()["state"] == "running"

    assert people.one("select state, attempts from notice") == {"state": "waiting", "attempts": 0}
    assert people.one(
        "select blocked_until > now() as shut from upstream_state where upstream = 'discord'"
    )["shut"]


def test_refused_recipients_are_told_and_a_busy_server_is_asked_again(
    watched: Any, people: Any, make_listing: Any
) -> None:
    people.channel("email", "unknown", target="unknown@example.org")
    people.channel("email", "busy", target="busy@example.org")
    people.rule("any", "price > 0")
    add(watched, make_listing(2))
    watched.run()

    people.send()

    assert people.states() == {"unknown": ["dead"], "busy": ["waiting"]}
    answers = {
        row["channel"]: row["answer"] for row in people.all("select channel, answer from notice")
    }
    assert "550" in answers["unknown"]
    assert "450" in answers["busy"]


def test_no_more_messages_an_hour_than_the_channel_allows(
    watched: Any, people: Any, make_listing: Any
) -> None:
    people.channel("discord", max_per_hour=1)
    people.rule("any", "price > 0")
    for number in (2, 3):
        add(watched, make_listing(number))
        watched.run()
        people.send()

    assert people.states() == {"discord": ["sent", "waiting"]}
    people.sql.execute("update notice set sent_at = sent_at - interval '1 hour' where state = 'sent'")
    people.send()
    assert people.states() == {"discord": ["sent", "sent"]}


def test_no_secret_address_is_kept_anywhere(
    watched: Any, people: Any, make_listing: Any, capfd: Any
) -> None:
    people.channel("discord")
    people.rule("any", "price > 0")
    add(watched, make_listing(2))
    watched.run()
    people.discord_server.control(down=60)
    people.send()
    people.discord_server.control(down=0)
    people.now()
    people.send()

    kept = str(people.all("select * from notice")) + str(people.all("select * from permit"))
    assert "a-token-nobody-may-see" not in kept + "".join(capfd.readouterr())


def test_a_missing_secret_says_which_and_waits(
    watched: Any, people: Any, make_listing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHKEEPER_CHANNEL_TEST")
    people.channel("discord")
    people.rule("any", "price > 0")
    add(watched, make_listing(2))
    watched.run()

    people.send()

    row = people.one("select state, answer from notice")
    assert row == {
        "state": "waiting",
        "answer": "WATCHKEEPER_CHANNEL_TEST is not set: a channel names env:WATCHKEEPER_CHANNEL_TEST",
    }


def test_a_wrong_rule_says_where_and_what_to_write_and_fits_nothing(
    watched: Any, people: Any, make_listing: Any
) -> None:
    from tasks.watches import rule_states
    from workers.db import transaction

    people.rule("wrong", "prize < 300")
    people.rule("right", "price < 300")
    with transaction() as connection:
        assert rule_states.check_edited(connection) == (1, 1)
    add(watched, make_listing(2, price="100 USD"))
    watched.run()

    rows = {row["name"]: row for row in people.all("select * from rule_status")}
    assert rows["right"]["state"] == "active"
    assert rows["wrong"]["state"] == 'wrong: there is no field "prize"'
    assert (rows["wrong"]["wrong_at"], rows["wrong"]["hint"]) == (
        " ⟶ prize < 300",
        'did you mean "price"?',
    )
    assert [row["rule"] for row in people.all("select rule from match")] == ["right"]
    people.sql.execute("update rule set expression = 'price < 300' where name = 'wrong'")
    assert people.one("select state from rule_status where name = 'wrong'")["state"] == "not yet read"


def test_rules_hear_of_tokens_once_and_of_prices_once_a_session(
    people: Any, discovery: Any, prices: Any, daily_answer: Any
) -> None:
    people.channel("discord")
    people.rule("deep", "liquidity > 20000", subject="token")
    people.rule(
        "fell", "symbol = AAPL and price_drop >= 5 %".replace("AAPL", '"AAPL"'), subject="quote"
    )
    discovery.server.feeds["boosts_top"] = [boost("A")]
    discovery.server.pairs["A"] = [pair("A")]
    discovery.run()
    discovery.run()
    prices.closed_market()
    days = [
        str(row["d"])
        for row in prices.all(
            "select session_date as d from market_session where mic = 'XNYS'"
            " and session_date <= current_date order by 1 desc limit 2"
        )
    ]
    prices.alpha_vantage.answer = lambda _: daily_answer({days[0]: 90.0, days[1]: 100.0})
    prices.run("tasks.prices.refresh", symbols=["AAPL"], force=True)
    prices.run("tasks.prices.refresh", symbols=["AAPL"], force=True)

    rows = people.all("select rule, occasion, facts ->> 'old_price' as old from match order by rule")
    assert [tuple(row.values()) for row in rows] == [
        ("deep", "new", None),
        ("fell", "price_drop", "100"),
    ]


def test_a_test_message_is_asked_for_in_sql_and_a_wrong_channel_named(people: Any) -> None:
    people.channel("email")
    people.channel("discord", enabled=False)
    people.one("select send_test('email')")
    people.send()

    (mail,) = people.in_mailbox()
    assert "Watchkeeper can reach you through the channel email." in mail["text"]
    assert people.one("select state, what from notice_log") == {"state": "sent", "what": "Test"}
    for name, kind, words in (
        ("discord", psycopg.errors.RaiseException, "is disabled"),
        ("phone", psycopg.errors.NoDataFound, 'no channel named "phone"'),
    ):
        with pytest.raises(kind, match=words):
            people.sql.execute("select send_test(%s)", (name,))
