"""Which ready batches a process takes."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.execution.choice import URGENT, Load, choose

RUNS = [uuid.uuid4() for _ in range(4)]


@dataclass(frozen=True)
class Batch:
    run_id: UUID = field(default_factory=uuid.uuid4)
    task: str = "kind"
    priority: int = 5
    upstream: str | None = None
    suspect: bool = False


batches = st.builds(
    Batch,
    run_id=st.sampled_from(RUNS),
    task=st.sampled_from("abc"),
    priority=st.integers(0, 9),
    upstream=st.sampled_from([None, "x", "y"]),
    suspect=st.booleans(),
)


def load(slots: int, *in_hand: Batch) -> Load:
    found = Load(slots)
    for batch in in_hand:
        found.add(batch)
    return found


def test_the_most_urgent_is_taken_first_and_of_equals_the_oldest() -> None:
    ready = [Batch(priority=1), Batch(priority=8), Batch(priority=8)]

    assert choose(ready, load(2)) == [1]
    assert choose(ready, load(16)) == [1, 2, 0]


def test_one_slot_takes_whatever_comes() -> None:
    assert choose([Batch()], load(1)) == [0]
    assert choose([Batch()], load(1, Batch())) == []


def test_a_tenth_of_the_slots_is_kept_for_the_most_urgent() -> None:
    ordinary, urgent = [Batch() for _ in range(100)], [Batch(priority=URGENT) for _ in range(100)]

    assert len(choose(ordinary, load(64))) == 58
    assert len(choose(urgent, load(64, *ordinary[:58]))) == 6


def test_runs_of_one_priority_take_turns() -> None:
    ready = [*[Batch(RUNS[0]) for _ in range(20)], Batch(RUNS[1]), Batch(RUNS[2])]

    assert choose(ready, load(8))[:3] == [0, 20, 21]


def test_a_run_that_has_much_in_hand_comes_after_others() -> None:
    ready = [Batch(RUNS[0]), Batch(RUNS[1])]

    assert choose(ready, load(16, Batch(RUNS[0]), Batch(RUNS[0])))[0] == 1


@pytest.mark.parametrize("shared", ["task", "upstream"])
def test_no_kind_and_no_upstream_has_more_than_half_while_others_are_ready(shared: str) -> None:
    many = [Batch(**{shared: "greedy"}) for _ in range(40)]
    others = [Batch(task="other", upstream="other") for _ in range(40)]

    chosen = choose([*many, *others], load(16))

    assert sum(place < 40 for place in chosen) <= 8
    assert len(choose(many, load(16))) == 15


def test_a_suspect_is_taken_alone() -> None:
    ready = [Batch(priority=9), Batch(suspect=True), Batch(suspect=True, priority=7)]

    assert choose(ready, load(16)) == [2]
    assert choose(ready, load(16, Batch())) == [0]


@given(st.lists(batches, max_size=60), st.integers(1, 64), st.lists(batches, max_size=64))
def test_whatever_is_ready_the_slots_suffice(
    ready: list[Batch], slots: int, in_hand: list[Batch]
) -> None:
    held = load(slots, *in_hand[:slots])
    chosen = choose(ready, held)

    assert len(set(chosen)) == len(chosen)
    assert held.batches + len(chosen) <= slots
    ordinary = sum(ready[place].priority < URGENT for place in chosen)
    assert (
        slots == 1
        or not ordinary
        or held.batches + ordinary <= slots - held.reserve
        or (any(ready[place].suspect for place in chosen))
    )
    if any(ready[place].suspect for place in chosen):
        assert len(chosen) == 1
        assert not held.batches


@given(st.lists(batches, max_size=60), st.integers(2, 64))
def test_nothing_more_urgent_of_the_same_kind_is_left_behind(ready: list[Batch], slots: int) -> None:
    chosen = choose(ready, load(slots, Batch(task="other")))
    left = [batch for place, batch in enumerate(ready) if place not in chosen and not batch.suspect]
    for place in chosen:
        worse = ready[place]
        alike = [one for one in left if one.task == worse.task and one.upstream == worse.upstream]
        assert all(one.priority <= worse.priority for one in alike)


def test_what_is_in_hand_is_counted_and_forgotten() -> None:
    held = load(4)
    batch = Batch(RUNS[0], upstream="x")
    held.add(batch)
    held.add(batch, -1)

    assert held.batches == 0
    assert +held.runs == Counter()
    assert +held.shares == Counter()
