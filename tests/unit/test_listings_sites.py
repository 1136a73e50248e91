"""Where a site's pages are, and how far apart they are read (pure)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tasks.listings import fetchers, head_fi, selectors
from tasks.listings.sites import Source

SITE = Source(
    name="shop", upstream="shop", base_url="https://shop.example", spacing=timedelta(0), fetch_by="http",
    page_path="page-{page}", id_pattern=head_fi.ID_PATTERN, selectors=selectors.parse(head_fi.SELECTORS),
    currency="USD", expire_after=3, reading="1", concurrency=1, page_pause=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("category", "page_path", "first", "second"),
    [
        ("/amps/", "page-{page}", "/amps/", "/amps/page-2"),
        ("/amps", "page-{page}", "/amps", "/amps/page-2"),
        ("/amps/?sort=new", "page-{page}", "/amps/?sort=new", "/amps/page-2?sort=new"),
        ("/amps/", "?p={page}", "/amps/", "/amps/?p=2"),
        ("/amps.html", "?p={page}", "/amps.html", "/amps.html?p=2"),
        ("/list.php?f=12", "&page={page}", "/list.php?f=12", "/list.php?f=12&page=2"),
        ("/list.php?f=12", "?page={page}", "/list.php?f=12", "/list.php?f=12&page=2"),
        ("/list.php", "&page={page}", "/list.php", "/list.php?page=2"),
        ("/amps/{page}.html?x={y}", "page-{page}", "/amps/1.html?x={y}", "/amps/2.html?x={y}"),
    ],
)
def test_a_categorys_pages_are_where_its_row_says(
    category: str, page_path: str, first: str, second: str
) -> None:
    site = replace(SITE, page_path=page_path)
    assert (site.path(category, 1), site.path(category, 2)) == (first, second)


def test_another_path_is_another_reading() -> None:
    assert SITE.reading_of("/amps/") == SITE.reading_of("/amps/")
    assert len({SITE.reading_of("/amps/"), SITE.reading_of("/dacs/")}) == 2
    assert SITE.reading_of("/amps/") != replace(SITE, reading="2").reading_of("/amps/")


@pytest.mark.parametrize(("spacing", "pause"), [(0.0, 2.0), (1.9, 2.0), (2.0, 0.0), (5.0, 0.0)])
def test_pages_are_two_seconds_apart_or_as_far_as_a_longer_spacing_says(
    spacing: float, pause: float
) -> None:
    assert fetchers.default_pause(replace(SITE, spacing=timedelta(seconds=spacing))) == pause
