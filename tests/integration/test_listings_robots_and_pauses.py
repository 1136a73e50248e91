"""What a scrape owes its site and the people who read its log: robots.txt, pauses, turns, reasons."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

NOW = datetime.now(UTC)


@pytest.fixture
def ads(make_listing: Any) -> Any:
    return lambda count, first=1: [
        make_listing(
            number, listed=(NOW - timedelta(days=number - first + 1)).isoformat(), title=f"Ad {number}"
        )
        for number in range(first, first + count)
    ]


@pytest.fixture
def two(scrapes: Any, ads: Any) -> Any:
    """Two categories with two ads each."""
    scrapes.sql.execute("update category set scraped = slug in ('full-size', 'dacs')")
    scrapes.site_server.ads = {"full-size": ads(2), "dacs": ads(2, first=50)}
    return scrapes


def logged(scrapes: Any) -> dict[str, tuple[str, str]]:
    rows = scrapes.all(
        "select distinct on (category) category, state, reason from scrape_log"
        " order by category, started_at desc"
    )
    return {row["category"]: (row["state"], row["reason"]) for row in rows}


def test_a_category_that_robots_txt_forbids_leaves_the_others_to_be_read(two: Any) -> None:
    two.site_server.robots = "User-agent: *\nDisallow: /classifieds/categories/full-size.2/\n"
    run = two.run()
    assert (run["state"], run["done"], run["failed"]) == ("partial", 1, 1)
    why = "robots.txt does not allow /classifieds/categories/full-size.2/"
    assert run["error"] == f"full-size: head_fi: blocked: {why}; nothing was expired"
    assert two.site_server.pages() == ["dacs.8/"]
    assert logged(two)["full-size"] == ("blocked", why)
    assert logged(two)["dacs"][0] == "complete"
    closed = two.one("select blocked_until from upstream_state where upstream = 'head_fi'")
    assert closed["blocked_until"] is None


def test_robots_txt_of_a_site_counts_whatever_its_upstreams_row_says(two: Any) -> None:
    two.sql.execute("update upstream set obey_robots = false where name = 'head_fi'")
    two.site_server.robots = "User-agent: *\nDisallow: /classifieds/\n"
    assert two.run()["state"] == "failed"
    assert two.site_server.asked == ["/robots.txt"]


def test_an_upstream_becomes_a_web_site_when_a_site_names_it(scrapes: Any) -> None:
    """Its crawl delay counts too then."""
    scrapes.sql.execute("insert into upstream (name, base_url) values ('flea', 'https://flea.example')")
    told: list[str] = []
    scrapes.sql.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    scrapes.sql.execute("set role operator")
    scrapes.sql.execute(
        "insert into site (name, upstream, title, selectors) values"
        " ('flea', 'flea', 'Flea market', '{\"card\": \"li\", \"title\": \"b\"}')"
    )
    assert scrapes.one("select obey_robots from upstream where name = 'flea'")["obey_robots"]
    assert told == ["obey_robots = true for upstream flea: it is a web site now"]


def test_a_run_that_names_no_pause_keeps_the_usual_one(
    two: Any, ads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.listings.fetchers.DEFAULT_PAUSE", timedelta(seconds=40))
    run = two.run()
    assert run["state"] == "running"
    batch = two.one("select error from batch where run_id = %s", run["id"])
    assert batch["error"] == "pause of 40 s between pages"


def test_ads_that_come_while_a_first_scrape_keeps_failing_are_told_of(scrapes: Any, ads: Any) -> None:
    scrapes.sql.execute("insert into rule (name, expression) values ('any', 'price > 0')")
    site_server = scrapes.site_server
    site_server.ads["full-size"] = ads(8)
    site_server.reply = lambda path: (500, {}, "down") if path.endswith("page-3") else None
    assert scrapes.run()["state"] == "failed"
    assert scrapes.all("select title from match") == []
    newest = ads(1, first=70)[0]
    newest.listed = NOW.isoformat()
    site_server.ads["full-size"].insert(0, newest)
    assert scrapes.run()["state"] == "failed"
    assert [row["title"] for row in scrapes.all("select title from match")] == ["Ad 70"]
    # Its other pages are still read for the first time.
    site_server.reply = lambda _: None
    assert scrapes.run()["state"] == "succeeded"
    assert len(scrapes.all("select from match")) == 1


def test_the_log_counts_the_ads_on_the_pages_not_those_taken(scrapes: Any, make_listing: Any) -> None:
    scrapes.site_server.ads["full-size"] = [
        make_listing(number, listed=(NOW - timedelta(days=days)).isoformat())
        for number, days in enumerate((1, 90), 1)
    ]
    scrapes.run()
    assert scrapes.one("select cards, new from scrape_log") == {"cards": 2, "new": 1}


def test_a_scrape_that_was_stopped_is_logged_as_incomplete(scrapes: Any, ads: Any) -> None:
    site_server = scrapes.site_server
    site_server.ads["full-size"] = ads(6)

    def stopping(path: str) -> None:
        if path.endswith("page-2"):
            scrapes.sql.execute("update run set stop_requested_at = now() where state = 'running'")

    site_server.reply = stopping
    run = scrapes.run()
    assert run["state"] == "stopped"
    log = scrapes.one("select state, reason, complete from scrape_log")
    assert (log["state"], log["complete"]) == ("incomplete", False)
    assert log["reason"].startswith("its run ended first")


def test_an_error_nobody_expected_is_logged_with_its_category(
    two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.listings import store

    store_page = store.store_page

    def broken(connection: Any, site: str, category: int, *arguments: Any, **how: Any) -> Any:
        if category == 2:
            raise ZeroDivisionError("by zero")
        return store_page(connection, site, category, *arguments, **how)

    monkeypatch.setattr(store, "store_page", broken)
    run = two.run()
    assert (run["state"], run["failed"]) == ("partial", 1)
    assert logged(two)["full-size"] == ("failed", "ZeroDivisionError: by zero")


def test_of_two_runs_at_once_one_scrapes_and_the_other_comes_back(scrapes: Any, ads: Any) -> None:
    scrapes.site_server.ads["full-size"] = ads(2)
    asked, release = threading.Event(), threading.Event()

    def held(path: str) -> None:
        if "/categories/" in path:
            asked.set()
            release.wait(60)

    scrapes.site_server.reply = held
    ended: dict[str, Any] = {}
    first = threading.Thread(target=lambda: ended.update(scrapes.run()))
    first.start()
    try:
        assert asked.wait(30)
        second = scrapes.run()
        assert second["state"] == "running"
        holder = scrapes.one("select run_id from site_turn")["run_id"]
        batch = scrapes.one("select * from batch where run_id = %s", second["id"])
        assert batch["error"] == f"head_fi is being scraped by run {holder}"
        assert len(scrapes.site_server.pages()) == 1
    finally:
        release.set()
        first.join()
    assert (ended["id"], ended["state"]) == (holder, "succeeded")
    assert scrapes.go_on(second["id"])["state"] == "succeeded"
    assert scrapes.one("select run_id from site_turn")["run_id"] == second["id"]


def test_a_page_in_the_encoding_that_it_names_itself_is_read(scrapes: Any, make_listing: Any) -> None:
    head = '<head><meta http-equiv="Content-Type" content="text/html; charset=windows-1251"></head>'
    page = f"<html>{head}<body>{make_listing(1, title='Наушники').html()}</body></html>"
    kind = {"Content-Type": "text/html"}
    scrapes.site_server.reply = lambda path: (
        (200, kind, page.encode("windows-1251")) if "/categories/" in path else None
    )
    scrapes.run()
    assert scrapes.ad(1)["title"] == "Наушники"


def test_a_scrape_gives_its_worker_back_between_two_pages_and_goes_on_there(
    scrapes: Any, ads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.errors import HandBack
    from workers.execution.lease import LeaseKeeper

    scrapes.site_server.ads["full-size"] = ads(6)
    asked = iter(range(1000))

    def long_enough(_: Any) -> None:
        if next(asked) == 3:
            raise HandBack("others have their turn")

    with monkeypatch.context() as patched:
        patched.setattr(LeaseKeeper, "yield_worker", long_enough)
        run = scrapes.run()
    assert run["state"] == "running"
    assert scrapes.site_server.pages() == ["full-size.2/", "full-size.2/page-2"]
    assert scrapes.go_on(run["id"])["result"]["summary"] == "3 pages, 6 ads, 6 new, 0 changed"
    assert scrapes.site_server.pages() == ["full-size.2/page-3"]
