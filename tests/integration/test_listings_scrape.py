"""`tasks.listings.scrape` on a real ledger, against a shop on loopback."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

NOW = datetime.now(UTC)
FULL = "full-size.2/"


def at(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


@pytest.fixture
def ads(make_listing: Any) -> Any:
    """``ads(5)``: five ads, the newest first, a day apart, numbered from 1."""
    return lambda count, first=1: [
        make_listing(number, listed=at(number - first + 1), title=f"Ad {number}")
        for number in range(first, first + count)
    ]


def test_the_first_scrape_is_thorough_and_later_ones_stop_where_nothing_is_new(
    scrapes: Any, ads: Any, make_listing: Any
) -> None:
    scrapes.site_server.ads["full-size"] = ads(7)
    run = scrapes.run()
    assert run["state"] == "succeeded", run["error"]
    assert run["result"]["summary"] == "4 pages, 7 ads, 7 new, 0 changed"
    assert scrapes.site_server.pages() == [FULL, f"{FULL}page-2", f"{FULL}page-3", f"{FULL}page-4"]
    again = scrapes.run()
    assert again["result"]["summary"] == "1 page, 2 ads, 0 new, 0 changed"
    assert scrapes.site_server.pages() == [FULL]
    scrapes.site_server.ads["full-size"].insert(0, make_listing(90, listed=at(0.5)))
    third = scrapes.run()
    assert third["result"]["summary"] == "2 pages, 4 ads, 1 new, 0 changed"


def test_a_first_scrape_reads_ten_pages_and_a_later_one_two(scrapes: Any, ads: Any) -> None:
    scrapes.site_server.ads["full-size"] = ads(25)
    assert scrapes.run()["result"]["counts"]["pages"] == 10
    scrapes.site_server.ads["full-size"] = ads(10, first=100)
    scrapes.sql.execute("truncate list_page")
    assert scrapes.run()["result"]["counts"]["pages"] == 2


def test_skip_initial_and_max_pages_say_how_deep_a_run_goes(scrapes: Any, ads: Any) -> None:
    scrapes.site_server.ads["full-size"] = ads(9)
    assert scrapes.run(skip_initial=True)["result"]["counts"]["pages"] == 2
    scrapes.sql.execute("truncate category_state")
    assert scrapes.run(max_pages=3)["result"]["counts"]["pages"] == 3


def test_ads_older_than_the_limit_are_left_alone_and_end_the_first_scrape(
    scrapes: Any, make_listing: Any
) -> None:
    scrapes.site_server.ads["full-size"] = [
        make_listing(number, listed=at(days)) for number, days in enumerate((1, 29, 31, 32, 40, 50), 1)
    ]
    run = scrapes.run()
    assert run["result"]["counts"]["pages"] == 2
    assert [
        row["external_id"] for row in scrapes.all("select external_id from listing order by 1")
    ] == [
        "1",
        "2",
    ]


def test_the_same_pages_again_change_nothing_but_when_ads_were_seen(scrapes: Any, ads: Any) -> None:
    scrapes.site_server.ads["full-size"] = ads(3)
    scrapes.run()
    rows = "select *, last_seen_at from listing order by id"
    before, whole = scrapes.everything(), scrapes.all(rows)
    scrapes.run(max_pages=9)
    assert scrapes.everything() == before
    for old, new in zip(whole, scrapes.all(rows), strict=True):
        assert new.pop("last_seen_at") >= old.pop("last_seen_at")
        assert new == old


def test_prices_are_kept_over_time_and_a_missing_one_says_nothing(
    scrapes: Any, make_listing: Any
) -> None:
    ad = make_listing(1, price="950 USD")
    scrapes.site_server.ads["full-size"] = [ad]
    for price in ("950 USD", "900 USD", "", "900 EUR", "1.200 EUR"):
        ad.price = price
        scrapes.run()
    prices = scrapes.all("select price, currency from listing_price order by id")
    assert [(float(row["price"]), row["currency"]) for row in prices] == [
        (950, "USD"),
        (900, "USD"),
        (900, "EUR"),
        (1200, "EUR"),
    ]


def test_an_ads_end_and_return_are_noted_and_its_type_is_kept(scrapes: Any, make_listing: Any) -> None:
    ad = make_listing(1, kind="For Sale/Trade")
    scrapes.site_server.ads["full-size"] = [ad]
    scrapes.run()
    ad.kind = "Closed"
    scrapes.run()
    assert (scrapes.ad(1)["status"], scrapes.ad(1)["listing_type"]) == ("closed", "For Sale/Trade")
    ad.kind, ad.overlay = "For Sale", "Sold"
    scrapes.run()
    ad.overlay = ""
    scrapes.run()
    changes = scrapes.all("select before, status from listing_status_change order by id")
    assert [(row["before"], row["status"]) for row in changes] == [
        (None, "active"),
        ("active", "closed"),
        ("closed", "sold"),
        ("sold", "active"),
    ]


def test_a_page_that_has_not_changed_is_not_sent_again(scrapes: Any, ads: Any) -> None:
    scrapes.site_server.etags = True
    scrapes.site_server.ads["full-size"] = ads(3)
    scrapes.run()
    seen = scrapes.ad(1)["last_seen_at"]
    again = scrapes.run()
    assert again["result"]["counts"]["unchanged_pages"] == 1
    assert scrapes.ad(1)["last_seen_at"] > seen
    scrapes.sql.execute("update site set currency = 'EUR'")
    assert scrapes.run()["result"]["counts"]["unchanged_pages"] == 0


@pytest.mark.parametrize(
    ("status", "headers", "body", "why"),
    [
        (403, {}, "<h1>Checking your browser</h1>", "blocked: answered 403 with a challenge page"),
        (503, {}, "<title>Just a moment...</title>", "blocked: answered 503 with a challenge page"),
        (200, {}, "<title>Just a moment...</title>", "blocked: answered 200 with a challenge page"),
    ],
)
def test_a_challenge_blocks_the_run_and_the_site_and_expires_nothing(
    scrapes: Any, ads: Any, status: int, headers: dict[str, str], body: str, why: str
) -> None:
    scrapes.sql.execute("update category set scraped = slug in ('full-size', 'dacs')")
    scrapes.sql.execute("update site set expire_after = 1")
    scrapes.site_server.ads = {"full-size": ads(2), "dacs": ads(2, first=50)}
    scrapes.run()
    scrapes.site_server.pages()
    scrapes.site_server.reply = lambda _: (status, headers, body)
    run = scrapes.run()
    assert run["state"] == "failed"
    assert run["error"] == f"head_fi: {why}; nothing was expired"
    assert len(scrapes.site_server.pages()) == 1
    log = scrapes.one("select * from scrape_log where run_id = %s", run["id"])
    assert (log["state"], log["complete"], log["blocked_why"]) == (
        "blocked",
        False,
        why.removeprefix("blocked: "),
    )
    client = scrapes.one(
        "select blocked_until > now() as shut from upstream_state where upstream = 'head_fi'"
    )
    assert client["shut"] is True
    assert {row["status"] for row in scrapes.all("select status from listing")} == {"active"}


def test_an_outage_is_no_block_and_fails_its_category_alone(scrapes: Any, ads: Any) -> None:
    scrapes.sql.execute("update category set scraped = slug in ('full-size', 'dacs')")
    scrapes.site_server.ads = {"full-size": ads(2), "dacs": ads(2, first=50)}
    scrapes.site_server.reply = lambda path: (500, {}, "down") if "full-size" in path else None
    run = scrapes.run()
    assert (run["state"], run["done"], run["failed"]) == ("partial", 1, 1)
    assert run["error"] == "full-size: head_fi: answered 500"
    states = scrapes.all("select category, state, blocked_why from scrape_log order by category")
    assert [(row["category"], row["state"]) for row in states] == [
        ("dacs", "complete"),
        ("full-size", "failed"),
    ]


def test_a_first_page_without_an_ad_is_a_failure_and_no_empty_shop(scrapes: Any, ads: Any) -> None:
    scrapes.sql.execute("update site set expire_after = 1")
    scrapes.site_server.ads["full-size"] = ads(2)
    scrapes.run()
    scrapes.site_server.ads["full-size"] = []
    run = scrapes.run()
    assert run["state"] == "failed"
    assert "no ad found on the first page of full-size: its layout may have changed" in run["error"]
    assert scrapes.ad(1)["status"] == "active"
    assert scrapes.ad(1)["missed_scrapes"] == 0


def test_cards_that_cannot_be_read_are_counted_and_none_readable_is_a_failure(
    scrapes: Any, ads: Any
) -> None:
    scrapes.site_server.ads["full-size"] = ads(2)
    scrapes.site_server.ads["full-size"][1].title = ""
    assert scrapes.run()["result"]["counts"]["unreadable"] == 1
    scrapes.site_server.ads["full-size"][0].title = ""
    run = scrapes.run()
    assert "2 cards, none readable" in run["error"]


def test_an_ad_expires_after_so_many_complete_scrapes_that_covered_its_place(
    scrapes: Any, ads: Any
) -> None:
    scrapes.site_server.ads["full-size"] = ads(4)
    scrapes.run()
    gone = scrapes.site_server.ads["full-size"].pop(1)
    for missed in (1, 2):
        scrapes.run(max_pages=5, skip_initial=True)
        assert scrapes.ad(2)["missed_scrapes"] == missed
        assert scrapes.ad(2)["status"] == "active"
    run = scrapes.run()
    assert run["result"]["summary"].endswith("1 expired")
    assert scrapes.ad(2)["status"] == "expired"
    assert scrapes.ad(4)["status"] == "active"
    scrapes.site_server.ads["full-size"].insert(1, gone)
    scrapes.run()
    assert (scrapes.ad(2)["status"], scrapes.ad(2)["missed_scrapes"]) == ("active", 0)


def test_days_ago_are_counted_once_and_expire_nothing(scrapes: Any, make_listing: Any) -> None:
    scrapes.sql.execute(
        'update site set expire_after = 1, selectors = selectors || \'{"listed": ".hfcListingDate"}\''
    )
    page = "<div class=hfcListingDate>{} days ago</div></a>"
    shown = [make_listing(number).html().removesuffix("</a>") for number in range(1, 13)]
    body = [one + page.format(number) for number, one in enumerate(shown)]
    pages = iter([body, body[1:], body[1:]])
    scrapes.site_server.reply = lambda path: (
        (200, {"ETag": '"1"'}, "".join(next(pages)) + '<a class="pageNav-jump--next" href="x">')
        if path.endswith(".2/")
        else None
    )
    for _ in range(3):
        scrapes.run(max_pages=1)

    assert {row["status"] for row in scrapes.all("select status from listing")} == {"active"}
    days = "select extract(day from clock_timestamp() - listed_at)::int as days"
    assert scrapes.one(f"{days} from listing where external_id = '6'") == {"days": 5}
    assert scrapes.all("select from listing where changed_at > first_seen_at + interval '1 s'") == []
    assert not any("If-None-Match" in headers for headers in scrapes.site_server.headers)


def test_an_ad_below_what_was_read_is_never_missed(scrapes: Any, ads: Any) -> None:
    scrapes.sql.execute("update site set expire_after = 1")
    scrapes.site_server.ads["full-size"] = ads(6)
    scrapes.run()
    del scrapes.site_server.ads["full-size"][4]
    scrapes.run()
    assert scrapes.ad(5)["missed_scrapes"] == 0
    scrapes.sql.execute("truncate category_state")
    scrapes.run()
    assert scrapes.ad(5)["status"] == "expired"


def test_a_run_goes_on_at_the_page_after_the_last_it_stored(scrapes: Any, ads: Any) -> None:
    scrapes.site_server.ads["full-size"] = ads(8)
    scrapes.site_server.reply = lambda path: (
        (429, {"Retry-After": "30"}, "") if path.endswith("page-3") else None
    )
    run = scrapes.run()
    assert run["state"] == "running"
    assert len(scrapes.all("select from listing")) == 4
    scrapes.site_server.pages()
    scrapes.site_server.reply = lambda _: None
    scrapes.sql.execute("update upstream_state set blocked_until = null, next_permit_at = now()")
    assert scrapes.go_on(run["id"])["state"] == "succeeded"
    assert scrapes.site_server.pages() == [f"{FULL}page-3", f"{FULL}page-4"]
    log = scrapes.one("select * from scrape_log")
    assert (log["pages"], log["cards"], log["new"], log["complete"]) == (4, 8, 8, True)
    resumed = scrapes.everything()
    scrapes.sql.execute("truncate listing, category_state, list_page cascade")
    scrapes.run()
    assert scrapes.everything() == resumed


def test_one_scrape_a_site_at_a_time(scrapes: Any, ads: Any) -> None:
    scrapes.site_server.ads["full-size"] = ads(2)
    first = scrapes.run()
    other = uuid.uuid4()
    scrapes.sql.execute(
        "insert into run (id, task, trigger, state, due_at, queue)"
        " values (%s, %s, 'manual', 'running', now(), 'listings')",
        (other, scrapes.task),
    )
    scrapes.sql.execute("update site_turn set run_id = %s where run_id = %s", (other, first["id"]))
    scrapes.site_server.pages()
    run = scrapes.run()
    assert (run["state"], scrapes.site_server.pages()) == ("running", [])
    batch = scrapes.one("select * from batch where run_id = %s", run["id"])
    assert batch["error"] == f"head_fi is being scraped by run {other}"
    assert batch["not_before"] is not None
    scrapes.sql.execute(
        "update run set state = 'succeeded', finished_at = now() where id = %s", (other,)
    )
    assert scrapes.go_on(run["id"])["state"] == "succeeded"


def test_robots_txt_is_obeyed(scrapes: Any, ads: Any) -> None:
    scrapes.site_server.ads["full-size"] = ads(2)
    scrapes.site_server.robots = "User-agent: *\nDisallow: /classifieds/categories/\n"
    run = scrapes.run()
    assert run["state"] == "failed"
    assert "blocked: robots.txt does not allow /classifieds/categories/full-size.2/" in run["error"]
    assert scrapes.site_server.pages() == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"site": "nowhere"}, 'no site named "nowhere" in table site; known: head_fi'),
        ({"categories": ["dogs"]}, 'no category dogs at site "head_fi"'),
        ({"max_pges": 3}, 'there is no option "max_pges"'),
        ({"timeout_seconds": 5}, 'option "timeout_seconds" is not allowed'),
    ],
)
def test_a_run_that_cannot_be_says_why(scrapes: Any, options: dict[str, Any], sentence: str) -> None:
    run = scrapes.run(**options)
    assert run["state"] == "failed"
    assert sentence in run["error"]


def test_a_long_pause_between_pages_gives_the_worker_back(scrapes: Any, ads: Any) -> None:
    scrapes.site_server.ads["full-size"] = ads(4)
    run = scrapes.run(rate_limit_delay_seconds=30)
    assert run["state"] == "running"
    batch = scrapes.one("select not_before - now() as pause, error from batch")
    assert batch["error"] == "pause of 30 s between pages"
    assert timedelta(seconds=20) < batch["pause"] <= timedelta(seconds=30)
    assert scrapes.go_on(run["id"])["state"] == "succeeded"


class Killed(BaseException):
    """Nothing of ours catches it, as nothing catches kill -9."""


def test_a_scrape_killed_at_any_write_and_taken_up_again_gives_the_rows_of_a_clean_one(
    scrapes: Any, ads: Any, make_listing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.ledger import claimed

    def fresh() -> None:
        scrapes.sql.execute("truncate listing, category_state, list_page, scrape, site_turn cascade")
        scrapes.sql.execute("update site set expire_after = 1")
        scrapes.site_server.ads["full-size"] = [*ads(4), make_listing(70, overlay="Sold", listed=at(9))]
        scrapes.run()
        scrapes.site_server.ads["full-size"] = [make_listing(80, listed=at(0.1), price=""), *ads(6)[2:]]
        scrapes.site_server.ads["full-size"][1].price = "150 USD"

    fresh()
    scrapes.run(max_pages=9)
    clean = scrapes.everything()
    assert {row["status"] for row in clean["listing"]} == {"active", "sold", "expired"}
    write = claimed.write_items
    for step in range(1, 20):
        fresh()
        left = step

        def dies(*arguments: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            write(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(claimed, "write_items", dies)
            run_id = uuid.uuid4()
            try:
                scrapes.app.tasks[scrapes.task].apply(kwargs={"max_pages": 9}, task_id=str(run_id))
            except Killed:
                pass
            else:
                assert left > 0
                break
        scrapes.sql.execute("update batch set state = 'waiting' where run_id = %s", (run_id,))
        # The lease of the call whose outcome was lost is over.
        scrapes.sql.execute(
            "update permit set stamp = clock_timestamp() - interval '1 minute', settled = true"
            " where not settled"
        )
        scrapes.sql.execute("update upstream_state set next_permit_at = clock_timestamp()")
        assert scrapes.go_on(run_id)["state"] == "succeeded"
        assert scrapes.everything() == clean, step
    assert step > 3
