"""Where a list ends, and what may expire for it: with, without and with a lost link to the next page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

NOW = datetime.now(UTC)
FULL = "full-size.2/"


@pytest.fixture
def ads(make_listing: Any) -> Any:
    """``ads(5)``: five ads, the newest first, a day apart, numbered from 1."""
    return lambda count, first=1: [
        make_listing(
            number, listed=(NOW - timedelta(days=number - first + 1)).isoformat(), title=f"Ad {number}"
        )
        for number in range(first, first + count)
    ]


@pytest.fixture
def strict(scrapes: Any) -> Any:
    """Scrapes of a site whose ads expire the first time that they are missed."""
    scrapes.sql.execute("update site set expire_after = 1")
    return scrapes


@pytest.fixture
def without_next(strict: Any) -> Any:
    """The site's row has no selector for a next page."""
    strict.sql.execute("update site set selectors = selectors - 'next'")
    return strict


def statuses(scrapes: Any) -> dict[str, str]:
    rows = scrapes.all("select external_id, status from listing order by 1")
    return {row["external_id"]: row["status"] for row in rows}


def reason(scrapes: Any) -> str:
    row = scrapes.one("select state, reason from scrape_log limit 1")
    return f"{row['state']}: {row['reason']}"


def test_without_a_next_selector_pages_are_read_until_one_is_empty(without_next: Any, ads: Any) -> None:
    without_next.site_server.ads["full-size"] = ads(5)
    run = without_next.run()
    assert run["result"]["summary"] == "3 pages, 5 ads, 5 new, 0 changed"
    assert without_next.site_server.pages() == [FULL, *(f"{FULL}page-{n}" for n in (2, 3, 4))]
    assert reason(without_next) == "complete: page 4 had no other ads"


def test_without_a_next_selector_a_page_that_is_not_there_ends_the_list(
    without_next: Any, ads: Any
) -> None:
    without_next.site_server.ads["full-size"] = ads(4)
    without_next.site_server.reply = lambda path: (404, {}, "") if path.endswith("page-3") else None
    assert without_next.run()["result"]["counts"]["ads"] == 4
    assert reason(without_next) == "complete: there is no page 3"


@pytest.mark.parametrize("repeated", [1, 2])
def test_without_a_next_selector_a_page_that_comes_again_ends_the_list(
    without_next: Any, ads: Any, repeated: int
) -> None:
    without_next.site_server.ads["full-size"] = ads(4)
    again = {1: "/classifieds/categories/full-size.2/", 2: "/classifieds/categories/full-size.2/page-2"}
    without_next.site_server.reply = lambda path: (
        (200, {}, without_next.site_server.page(again[repeated])) if path.endswith("page-3") else None
    )
    assert without_next.run()["result"]["summary"] == "2 pages, 4 ads, 4 new, 0 changed"
    assert reason(without_next) == "complete: page 3 had no other ads"


@pytest.mark.parametrize("again", ["the last page", "all pages"])
def test_a_next_link_that_never_ends_is_told_and_not_followed_to_the_last_page_allowed(
    strict: Any, ads: Any, again: str
) -> None:
    shop = strict.site_server
    shop.ads["full-size"] = ads(6)

    def endless(path: str) -> Any:
        number = int(path.rpartition("page-")[2]) if "page-" in path else 1
        shown = min(number, 3) if again == "the last page" else (number - 1) % 3 + 1
        page = shop.page(f"/classifieds/categories/{FULL}page-{shown}")
        return (
            200,
            {},
            page.replace("</body>", '<a class="pageNav-jump--next" href="x">Next</a></body>'),
        )

    shop.reply = lambda path: endless(path) if "/categories/" in path else None
    assert strict.run(max_pages=50)["result"]["summary"] == (
        "4 pages, 8 ads, 6 new, 0 changed, 1 list without an end"
    )
    assert shop.pages() == [FULL, *(f"{FULL}page-{n}" for n in (2, 3, 4, 5))]
    assert reason(strict) == (
        "complete: two pages in a row had no other ads, yet a link to the next page"
    )


def test_what_is_below_the_page_where_a_scrape_broke_off_is_read_by_the_next(
    strict: Any, ads: Any
) -> None:
    strict.site_server.ads["full-size"] = ads(8)[4:]
    strict.run()
    strict.site_server.ads["full-size"] = ads(8)
    strict.site_server.reply = lambda path: (500, {}, "down") if path.endswith("page-2") else None
    strict.run()
    assert len(statuses(strict)) == 6
    strict.site_server.reply = lambda _: None

    assert strict.run()["result"]["summary"] == "2 pages, 4 ads, 2 new, 0 changed"
    assert strict.run()["result"]["counts"]["pages"] == 1


def test_new_ads_that_move_a_page_down_do_not_end_the_list(strict: Any, ads: Any) -> None:
    shop = strict.site_server
    shop.ads["full-size"] = ads(8)

    def two_more(path: str) -> None:
        if path.endswith("page-3"):
            shop.ads["full-size"][:0] = ads(2, first=20)

    shop.reply = two_more
    assert strict.run(max_pages=50)["result"]["summary"] == "5 pages, 10 ads, 8 new, 0 changed"


def test_without_a_next_selector_what_scrolled_off_the_pages_read_does_not_expire(
    without_next: Any, make_listing: Any, ads: Any
) -> None:
    site_server = without_next.site_server
    site_server.ads["full-size"] = ads(6)
    without_next.run()
    for number in range(3):
        listed = (NOW - timedelta(hours=9 - number)).isoformat()
        site_server.ads["full-size"].insert(0, make_listing(60 + number, listed=listed))
        without_next.run()
    assert set(statuses(without_next).values()) == {"active"}
    # One that stood among those read and is gone is missed all the same.
    del site_server.ads["full-size"][1]
    without_next.run()
    assert [number for number, status in statuses(without_next).items() if status == "expired"] == [
        "61"
    ]


@pytest.mark.parametrize("etags", [False, True])
def test_a_first_page_that_lost_its_next_link_expires_nothing(
    strict: Any, make_listing: Any, etags: bool
) -> None:
    site_server = strict.site_server
    site_server.etags = etags
    site_server.ads["full-size"] = [make_listing(number) for number in range(1, 9)]
    strict.run()
    site_server.has_pager = False
    for number in (20, 21, 22):
        site_server.ads["full-size"].insert(0, make_listing(number))
        strict.run()
        strict.run()
    assert set(statuses(strict).values()) == {"active"}
    # The pages that follow are asked for all the same.
    site_server.ads["full-size"][:0] = [make_listing(number) for number in (30, 31, 32, 33)]
    assert strict.run()["result"]["counts"]["new"] == 4


def test_a_list_that_shrank_to_a_page_was_read_whole(strict: Any, make_listing: Any) -> None:
    strict.site_server.ads["full-size"] = [make_listing(number) for number in range(1, 6)]
    strict.run()
    del strict.site_server.ads["full-size"][1:]
    strict.run()
    assert reason(strict) == "complete: last page"
    assert [number for number, status in statuses(strict).items() if status == "active"] == ["1"]


def test_an_ad_that_may_be_one_of_those_not_readable_is_not_missed(strict: Any, ads: Any) -> None:
    strict.site_server.etags = True
    shown = strict.site_server.ads["full-size"] = ads(2)
    strict.run()
    shown[1].title = ""
    for _ in range(2):
        # Asked for whole each time: "not modified" would not say that a card was not understood.
        assert strict.run()["result"]["counts"].get("unchanged_pages", 0) == 0
        assert strict.ad(2)["status"] == "active"
    assert reason(strict) == (
        "complete: last page; 1 card not readable, so that no ad counts as missed"
    )
    del shown[1]
    strict.run()
    assert strict.ad(2)["status"] == "expired"


def test_an_ad_expires_below_one_that_is_kept_at_the_top(
    strict: Any, make_listing: Any, ads: Any
) -> None:
    strict.site_server.a_page = 12
    shown = strict.site_server.ads["full-size"] = [make_listing(99, title="Read the rules"), *ads(20)]
    strict.run()
    del shown[5]
    strict.run(max_pages=1)
    assert [number for number, status in statuses(strict).items() if status == "expired"] == ["5"]


def test_an_unchanged_page_whose_ads_were_all_too_old_is_complete(
    strict: Any, make_listing: Any
) -> None:
    strict.site_server.etags = True
    strict.site_server.ads["full-size"] = [
        make_listing(1, listed=(NOW - timedelta(days=90)).isoformat())
    ]
    assert strict.run()["result"]["counts"]["new"] == 0
    again = strict.run()
    assert again["result"]["counts"]["unchanged_pages"] == 1
    assert reason(strict).startswith("complete")


@pytest.mark.parametrize(
    "edit",
    [
        "update site set page_path = 'p{page}'",
        "update category set path = '/classifieds/categories/full-size.2/?sort=new'",
    ],
)
def test_validators_of_one_address_are_not_sent_to_another(strict: Any, ads: Any, edit: str) -> None:
    strict.site_server.etags = True
    strict.site_server.ads["full-size"] = ads(2)
    strict.run()
    strict.sql.execute(edit)
    strict.site_server.pages()
    strict.run()
    assert not any("If-None-Match" in headers for headers in strict.site_server.headers)


def test_a_page_of_thousands_of_ads_is_stored(strict: Any, make_listing: Any) -> None:
    strict.site_server.a_page = 4000
    strict.site_server.ads["full-size"] = [make_listing(number) for number in range(1, 4001)]
    assert strict.run()["result"]["counts"]["new"] == 4000


def test_an_ad_that_moved_to_another_category_is_looked_for_there(strict: Any, ads: Any) -> None:
    strict.sql.execute("update category set scraped = slug in ('full-size', 'dacs')")
    first, *rest = ads(3)
    strict.site_server.ads = {"full-size": [first, *rest], "dacs": ads(2, first=50)}
    strict.run(max_pages=9)
    strict.site_server.ads = {"full-size": rest, "dacs": [first, *ads(2, first=50)]}
    strict.run(max_pages=9)
    row = strict.one(
        "select c.slug, l.status from listing l join category c on c.id = l.category_id"
        " where l.external_id = '1'"
    )
    assert row == {"slug": "dacs", "status": "active"}
    strict.site_server.ads["dacs"].pop(0)
    strict.run(max_pages=9)
    assert strict.ad(1)["status"] == "expired"


def test_option_thorough_reads_a_known_category_as_deep_as_a_new_one(strict: Any, ads: Any) -> None:
    strict.site_server.ads["full-size"] = ads(9)
    strict.run()
    assert strict.run()["result"]["counts"]["pages"] == 1
    assert strict.run(thorough=True)["result"]["counts"]["pages"] == 5
