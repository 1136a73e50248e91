"""From an ad on a site to a person: real beat, real workers, a webhook and a mailbox."""

from __future__ import annotations

from typing import Any

import pytest

#: What is promised between the scrape that saw an ad and the person who hears of it (seconds).
PROMISED = 5.0


@pytest.fixture
def environment(
    scrapes: Any, people: Any, celery_process: Any, eventually: Any, make_listing: Any
) -> Any:
    """A shop known from one scrape, a rule made by SQL and read by the workers, two channels."""
    people.channel("discord")
    people.channel("email")
    scrapes.site_server.ads["full-size"] = [make_listing(1, title="Old HD 650", price="100 USD")]
    people.sql.execute(
        "insert into schedule (name, task, every) values ('shop', 'tasks.listings.scrape', '1 hour'),"
        " ('check-rules', 'tasks.watches.check', '1 hour')"
    )
    celery_process("beat")
    secret = {"WATCHKEEPER_CHANNEL_TEST": "/api/webhooks/123/a-token-nobody-may-see"}
    celery_process("worker", "-Q", "listings", "-c", "1", **secret)
    celery_process("worker", "-Q", "notices,upkeep", "-c", "2", **secret)
    people.rule("hd650", 'title contains "HD 650" and price < 300')
    eventually(lambda: scraped(people) == 1, within=60)
    eventually(lambda: people.all("select from rule_status where state = 'active'"), within=30)
    return people


def scraped(people: Any) -> int:
    """Scrapes of the shop that succeeded."""
    return int(
        people.one("select count(*) as n from run where schedule = 'shop' and state = 'succeeded'")["n"]
    )


def scrape(people: Any, eventually: Any) -> None:
    before = scraped(people)
    people.sql.execute("select run_now('shop')")
    eventually(lambda: scraped(people) == before + 1, within=30)


def test_a_new_ad_that_fits_reaches_webhook_and_mailbox_within_five_seconds_once(
    environment: Any, scrapes: Any, eventually: Any, make_listing: Any
) -> None:
    assert environment.all("select * from notice") == [], "the first scrape of a shop is silent"
    new = make_listing(2, title="Sennheiser HD 650", price="220 USD")
    scrapes.site_server.ads["full-size"].insert(0, new)

    scrape(environment, eventually)
    eventually(lambda: environment.states() == {"discord": ["sent"], "email": ["sent"]}, within=30)
    scrape(environment, eventually)

    (message,), (mail,) = environment.in_discord(), environment.in_mailbox()
    assert message["embeds"][0]["title"] == "Sennheiser HD 650"
    assert "Sennheiser HD 650" in mail["text"]
    took = environment.one(
        "select max(extract(epoch from n.sent_at - r.started_at))::float8 as seconds"
        "  from notice n join match m on m.id = n.match_id join run r on r.id = m.run_id"
    )
    assert took["seconds"] < PROMISED


def test_a_lower_price_is_told_too_with_both_prices(
    environment: Any, scrapes: Any, eventually: Any, make_listing: Any
) -> None:
    scrapes.site_server.ads["full-size"][0] = make_listing(1, title="Old HD 650", price="80 USD")

    scrape(environment, eventually)
    eventually(lambda: environment.states() == {"discord": ["sent"], "email": ["sent"]}, within=30)

    (message,) = environment.in_discord()
    assert "100" in str(message)
    assert "80" in str(message)
