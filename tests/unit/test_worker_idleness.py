"""A worker says for how long nobody saw it with anything in hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from workers.pool import slot_watch
from workers.processes.doorbells import SESSION


@pytest.fixture
def idleness(monkeypatch: pytest.MonkeyPatch) -> slot_watch.Idleness:
    """Of a worker that has been idle for a minute."""
    monkeypatch.setattr(slot_watch, "active_requests", [])
    made = slot_watch.Idleness()
    made._busy_at -= 60
    return made


def test_a_worker_with_a_batch_in_hand_is_not_idle(idleness: slot_watch.Idleness) -> None:
    idleness.look(in_hand=False)
    assert idleness.seconds == 60
    idleness.look(in_hand=True)
    assert idleness.seconds == 0


def test_a_session_that_finds_nothing_leaves_a_worker_idle(
    idleness: slot_watch.Idleness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_watch, "active_requests", [SimpleNamespace(name=SESSION)])
    idleness.look(in_hand=False)
    assert idleness.seconds == 60


def test_a_message_of_a_plain_task_keeps_a_worker_from_being_idle(
    idleness: slot_watch.Idleness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_watch, "active_requests", [SimpleNamespace(name="shop.count")])
    idleness.look(in_hand=False)
    assert idleness.seconds == 0
