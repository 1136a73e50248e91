"""Items of one batch at once: in order while they are quick, together when they are slow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from workers.errors import HandBack, LeaseLost, QuotaWait
from workers.execution import concurrency

FAR = 10.0


@dataclass
class Thing:
    key: int
    state: str = "waiting"


class Client:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@dataclass
class Batch:
    """As much of a Work as the threads need."""

    batch: list[Thing]
    planned_only: bool = False
    client: Client = field(default_factory=Client)
    parts: list[Any] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)

    def check(self) -> None:
        pass

    def yield_worker(self) -> None:
        pass

    @contextmanager
    def attempt(self, *_: Any) -> Iterator[None]:
        yield

    @contextmanager
    def fenced(self) -> Iterator[Any]:
        yield None

    def store_items(self, _: Any) -> None:
        self.stored.append(len(self.batch))

    def part(self) -> Any:
        self.parts.append(replace(self, client=Client()))
        return self.parts[-1]


def each(work: Any, do: Callable[[Any, Thing], None], at_once: int) -> None:
    concurrency.work_groups(
        work, lambda waiting: waiting[:1], lambda part, items: do(part, items[0]), at_once, once=True
    )


def things(number: int) -> Batch:
    return Batch([Thing(nth) for nth in range(number)])


def test_quick_items_are_done_in_their_order() -> None:
    work, done = things(200), []

    def do(part: Any, item: Thing) -> None:
        done.append(item.key)
        item.state = "done"

    each(work, do, 8)

    assert done == list(range(200))
    assert all(part.client.closed for part in work.parts)
    assert not work.client.closed


def test_slow_items_are_done_at_once_as_many_as_are_allowed() -> None:
    work = things(8)
    together = threading.Barrier(4)

    def do(part: Any, item: Thing) -> None:
        together.wait(FAR)
        item.state = "done"

    each(work, do, 4)

    assert {item.state for item in work.batch} == {"done"}


def test_a_thread_whose_calls_cannot_be_settled_ends_the_batch_with_that() -> None:
    class Unsettled(Client):
        def close(self) -> None:
            raise DBAPIError(None, None, Exception("Postgres is away"))

    @dataclass
    class Unsettling(Batch):
        def part(self) -> Any:
            return replace(self, client=Unsettled())

    work, together = Unsettling([Thing(nth) for nth in range(4)]), threading.Barrier(4)

    def do(part: Any, item: Thing) -> None:
        together.wait(FAR)
        item.state = "done"

    with pytest.raises(DBAPIError):
        each(work, do, 4)


def test_each_thread_has_a_client_of_its_own() -> None:
    work, clients = things(4), set()
    together = threading.Barrier(4)

    def do(part: Any, item: Thing) -> None:
        clients.add(id(part.client))
        together.wait(FAR)
        item.state = "done"

    each(work, do, 4)

    assert len(clients) == 4


def test_a_plan_that_no_outcome_has_stored_is_stored_before_several_may_be_the_first() -> None:
    work = things(2)
    work.planned_only = True

    def do(part: Any, item: Thing) -> None:
        assert not part.planned_only
        item.state = "done"

    each(work, do, 2)

    assert work.stored == [2]


def test_an_item_left_without_an_outcome_is_not_taken_again() -> None:
    work, seen = things(5), []

    each(work, lambda _, item: seen.append(item.key), 3)

    assert sorted(seen) == list(range(5))


def test_what_waits_for_a_permit_is_done_by_those_that_have_one() -> None:
    work = things(6)
    slot = threading.Semaphore(1)
    refused = threading.Event()

    def do(part: Any, item: Thing) -> None:
        if not slot.acquire(blocking=False):
            refused.set()
            raise QuotaWait("shop", 1.0, "1 call in flight")
        try:
            if item.key == 0:
                refused.wait(FAR)
            item.state = "done"
        finally:
            slot.release()

    each(work, do, 3)

    assert {item.state for item in work.batch} == {"done"}


def test_when_all_wait_for_a_permit_the_batch_does() -> None:
    work = things(3)
    together = threading.Barrier(2)

    def do(part: Any, item: Thing) -> None:
        if item.key < 2 and not together.broken and together.n_waiting < 2:
            together.wait(FAR)
        raise QuotaWait("shop", 5.0, "quota")

    with pytest.raises(QuotaWait):
        each(work, do, 2)


def test_an_error_of_the_batch_ends_it_when_what_is_in_hand_is_done() -> None:
    work = things(20)
    together = threading.Barrier(2)

    def do(part: Any, item: Thing) -> None:
        together.wait(FAR)
        if item.key == 1:
            raise HandBack("the worker is shutting down")
        item.state = "done"

    with pytest.raises(HandBack):
        each(work, do, 2)

    assert [item.state for item in work.batch[:2]] == ["done", "waiting"]
    assert {item.state for item in work.batch[2:]} == {"waiting"}


def test_of_several_errors_the_lost_lease_is_raised() -> None:
    work = things(2)
    together = threading.Barrier(2)

    def do(part: Any, item: Thing) -> None:
        together.wait(FAR)
        raise ValueError("broken") if item.key == 0 else LeaseLost("another worker has it")

    with pytest.raises(LeaseLost):
        each(work, do, 2)


def test_groups_that_come_back_smaller_are_waited_for() -> None:
    work, sizes = things(8), []
    size = dict.fromkeys(range(8), 4)
    lock = threading.Lock()

    def pick(waiting: list[Thing]) -> list[Thing]:
        return waiting[: size[waiting[0].key]] if waiting else []

    def do(part: Any, group: list[Thing]) -> None:
        with lock:
            sizes.append(len(group))
        if len(group) > 1:
            size.update({item.key: 1 for item in group})
            return
        group[0].state = "done"

    concurrency.work_groups(work, pick, do, 3, once=False)

    assert {item.state for item in work.batch} == {"done"}
    assert sorted(sizes) == [1] * 8 + [4, 4]
