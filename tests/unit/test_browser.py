"""What a page of a browser says of itself where no Chromium is needed to see it."""

from __future__ import annotations

import time
from unittest.mock import Mock

import playwright.sync_api as playwright
import pytest

from workers.errors import Unavailable
from workers.upstreams.browser import _Visit


def test_a_page_that_never_stops_going_to_another_fails_with_a_sentence() -> None:
    page, document = Mock(), Mock(url="http://a.example/", upstream="drawn")
    page.goto.side_effect = playwright.TimeoutError("Timeout 10000ms exceeded.")
    page.content.side_effect = playwright.Error(
        "Page.content: Unable to retrieve content because the page is navigating and changing the content."
    )

    with pytest.raises(Unavailable, match="still going to another when its time ended"):
        _Visit(Mock(), document, {}, time.monotonic()).draw(page)
