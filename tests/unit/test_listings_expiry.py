"""Which ads a scrape covered, read off the order of those it saw (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tasks.listings.expiry import MAX_LEADING, MIN_FOLLOWING, Coverage, Order, coverage, is_recent

NOW = datetime(2026, 1, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Times:
    listed_at: datetime | None = None
    edited_at: datetime | None = None


def days(listed: float, edited: float | None = None) -> Times:
    return Times(
        NOW - timedelta(days=listed), NOW - timedelta(days=edited) if edited is not None else None
    )


def test_a_list_sorted_by_listing_covers_what_was_listed_after_its_last_ad() -> None:
    order = Order().followed_by([days(1), days(2, 0.5), days(3)])
    assert coverage(order, whole=False) == Coverage(whole=False, below=NOW - timedelta(days=3))


def test_a_list_sorted_by_touch_covers_what_was_touched_after_its_last_ad() -> None:
    order = Order().followed_by([days(9, 1), days(2), days(30, 3)])
    assert coverage(order, whole=False) == Coverage(
        whole=False, by_touched=True, below=NOW - timedelta(days=3)
    )


def test_a_list_without_an_order_covers_nothing_unless_it_was_read_whole() -> None:
    for ads in ([days(2), days(1)], [days(1), Times()], []):
        order = Order().followed_by(ads)
        assert coverage(order, whole=False) is None
        assert coverage(order, whole=True) == Coverage(whole=True)


instants = st.none() | st.integers(0, 50).map(lambda hours: NOW - timedelta(hours=hours))
ads = st.lists(st.builds(Times, instants, instants), max_size=8)


@given(ads, ads)
def test_pages_read_one_by_one_say_what_they_say_together(
    first: list[Times], second: list[Times]
) -> None:
    at_once = Order().followed_by([*first, *second])
    stored = Order().followed_by(first).stored()
    assert Order.restored(stored).followed_by(second) == at_once


@given(st.lists(st.integers(0, 100), min_size=1), st.integers(0, 100))
def test_an_ad_that_would_have_stood_below_is_never_covered(ages: list[int], age: int) -> None:
    shown = [days(one) for one in sorted(ages)]
    found = coverage(Order().followed_by(shown), whole=False)
    assert found is not None
    assert found.below is not None
    listed = days(age).listed_at
    assert listed is not None
    assert (listed > found.below) == (age < max(ages))


def test_an_ad_is_recent_by_its_last_touch_or_when_it_does_not_say() -> None:
    since = NOW - timedelta(days=30)
    assert is_recent(days(40, 1), since)
    assert is_recent(Times(), since)
    assert not is_recent(days(31), since)


def page_of(count: int, first: float = 1) -> list[Times]:
    return [days(first + number) for number in range(count)]


def test_a_few_ads_kept_at_the_top_of_a_page_do_not_hide_its_order() -> None:
    for leading in ([days(90)], [Times()], [days(90), Times(), days(70)]):
        page = [*leading, *page_of(MIN_FOLLOWING)]
        found = coverage(Order().after_page(page), whole=False)
        assert found == Coverage(whole=False, below=NOW - timedelta(days=MIN_FOLLOWING))


def test_more_of_them_or_too_little_below_them_leaves_it_unknown() -> None:
    many = [days(90 - number) for number in range(MAX_LEADING)]
    for page in ([*many, Times(), *page_of(MIN_FOLLOWING)], [days(90), *page_of(MIN_FOLLOWING - 1)]):
        assert coverage(Order().after_page(page), whole=False) is None


def test_a_promoted_ad_at_the_top_of_every_page_does_not_hide_the_order_of_all() -> None:
    order = Order()
    for first in (1, 11, 21):
        order = order.after_page([days(0.1), *page_of(10, first)])
    assert coverage(order, whole=False) == Coverage(whole=False, below=NOW - timedelta(days=30))


def test_an_edited_sticky_ad_does_not_make_a_list_look_sorted_by_touch() -> None:
    page = [days(100, 0.5), *page_of(MIN_FOLLOWING)]
    assert coverage(Order().after_page(page), whole=False) == Coverage(
        whole=False, by_touched=False, below=NOW - timedelta(days=MIN_FOLLOWING)
    )


@given(ads)
def test_a_page_in_order_is_read_as_it_stands(page: list[Times]) -> None:
    plain = Order().followed_by(page)
    if isinstance(plain.by_listed, datetime):
        assert Order().after_page(page) == plain
