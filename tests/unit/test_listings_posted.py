"""When an ad was posted, as people write it (pure)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.listings import cards, posted, selectors, text_fields

NOW = datetime(2026, 11, 30, 10, 15, tzinfo=UTC)
PARTS = selectors.parse({"card": "li", "title": "b", "link": "a", "listed": "i"})


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Nov 30, 2026", (2026, 11, 30)),
        ("Posted November 30th, 2026 at 5:30 PM", (2026, 11, 30, 17, 30)),
        ("30 Nov 2026, 12:05 am", (2026, 11, 30, 0, 5)),
        ("30. März 2026", (2026, 3, 30)),
        ("30.11.2026 14:05", (2026, 11, 30, 14, 5)),
        ("Nov 31, 2026", None),
        ("11/12/2026", None),
        ("Nov 30", None),
    ],
)
def test_a_date_is_read_as_people_write_it(text: str, when: tuple[int, ...] | None) -> None:
    found = text_fields.parse_time(text)
    assert found == (datetime(*when, tzinfo=UTC) if when else None)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2 days ago", (28, 10, 15)),
        ("about an hour ago", (30, 9, 15)),
        ("1 day, 3 hours ago", (29, 7, 15)),
        ("5m ago", (30, 10, 10)),
        ("just now", (30, 10, 15)),
        ("Yesterday at 5:30 PM", (29, 0, 0)),
        ("9999 years ago", None),
        ("long ago", None),
    ],
)
def test_how_long_ago_is_counted_from_the_reading(text: str, when: tuple[int, int, int] | None) -> None:
    found = posted.relative(text, NOW)
    assert found == (datetime(2026, 11, *when, tzinfo=UTC) if when else None)  # type: ignore[misc]


@given(st.text() | st.text("0123456789 ,.dayshourgonemidec", max_size=120))
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    posted.relative(text, NOW)
    text_fields.parse_time(text)


def test_estimated_times_say_nothing_of_the_order_of_a_list() -> None:
    html = "<li><b>One</b><a href='/x.1/'></a><i>2 days ago</i>"
    page = cards.parse(html, "https://example.org", PARTS, r"\.(\d+)/", "USD", NOW)

    assert page.cards[0].listed_at == datetime(2026, 11, 28, 10, 15, tzinfo=UTC)
    assert (page.is_estimated, page.dated[0].listed_at) == (True, None)
    assert cards.parse(html, "https://example.org", PARTS, r"\.(\d+)/").cards[0].listed_at is None
