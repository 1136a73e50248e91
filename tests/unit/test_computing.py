"""Work that computes runs one at a time a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date

import pytest

from tasks.listings import cards, fetchers
from tasks.prices.sources import stooq
from tasks.watches import matching, rules
from tests.support.threads import at_once
from workers.execution import computing


def test_one_thread_at_a_time_computes() -> None:
    inside: list[int] = []
    most = 0

    def compute(_: int) -> None:
        nonlocal most
        for _ in range(50):
            with computing():
                inside.append(1)
                most = max(most, len(inside))
                threading.Event().wait(0.0001)
                inside.pop()

    at_once(8, compute)

    assert most == 1


class _Client:
    def get(self, *_: object) -> object:
        return type("Response", (), {"text": "Date,Open\n"})


def _parse_a_page() -> object:
    site = type("Site", (), {"selectors": {}, "id_pattern": "", "currency": None})
    return fetchers.parse(site, "<p>", "https://site.test/")  # type: ignore[arg-type]


def _parse_bars() -> object:
    return stooq.fetch_bars(_Client(), "X", date(2026, 1, 1), date(2026, 1, 2))  # type: ignore[arg-type]


def _match_rules() -> object:
    watch = type("Watch", (), {"subject": "listing"})
    return matching.judge(None, None, watch, [None])  # type: ignore[arg-type, list-item]


@pytest.mark.parametrize("compute", [_parse_a_page, _parse_bars, _match_rules])
def test_pages_tables_and_rules_are_computed_one_at_a_time(
    compute: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, done = threading.Event(), threading.Event()

    def computed(*_: object) -> list[object]:
        begun.set()
        return []

    monkeypatch.setattr(cards, "parse", computed)
    monkeypatch.setattr(stooq, "parse", computed)
    monkeypatch.setattr(matching, "_fitting", computed)
    monkeypatch.setattr(rules, "active", lambda *_: [object()])

    def compute_then_tell() -> None:
        compute()
        done.set()

    thread = threading.Thread(target=compute_then_tell)
    with computing():
        thread.start()
        assert not begun.wait(0.1)
    assert done.wait(10)
    thread.join()
    assert begun.is_set()
