"""How many batches a process of a worker works at once."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from workers.connections import places
from workers.pool import slots_option
from workers.pool.slots_option import SlotsOption
from workers.processes import slots
from workers.settings import settings


@pytest.fixture(autouse=True)
def _without_side_effects(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(slots_option.reports, "open_pipe", lambda: None)
    monkeypatch.setattr(slots_option.memory, "limit_arenas", lambda: None)
    yield
    slots.configure(None)
    places.set_pool_size(0, 0)


class SimpleQueues(dict[str, None]):
    consume_from: dict[str, None]


def worker(*queues: str) -> Any:
    known = SimpleQueues.fromkeys(["browser", "listings", "upkeep"])
    known.consume_from = dict.fromkeys(queues or known)
    return SimpleNamespace(
        concurrency=2,
        app=SimpleNamespace(amqp=SimpleNamespace(queues=known)),
    )


@pytest.mark.parametrize(
    ("queues", "given", "expected"),
    [
        (["browser"], None, 1),
        (["browser", "listings"], None, 1),
        (["browser"], 4, 4),
        # Every queue: it is no group for browsers.
        ([], None, settings().slots),
        (["listings"], None, settings().slots),
        (["listings"], 64, 64),
    ],
)
def test_a_worker_of_the_browsers_queue_has_one_slot_unless_it_is_told_otherwise(
    queues: list[str], given: int | None, expected: int
) -> None:
    SlotsOption(worker(*queues), slots=given)

    assert slots.count() == expected
