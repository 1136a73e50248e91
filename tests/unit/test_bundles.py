"""Questions of many threads in one statement: who leads, who waits, and what becomes of those who leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from tests.support.waiting import wait_for
from workers.upstreams.bundles import MAX_BUNDLE, Abandoned, Bundles


class Server:
    """Answers with the double of each number, a bundle each time it may; it counts what is in flight."""

    def __init__(self, error: Exception | None = None, *, bad: int | None = None) -> None:
        self.bundles: list[list[int]] = []
        self.most = self.flying = 0
        self.may = threading.Semaphore(0)
        self._error, self._bad = error, bad

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.flying += 1
        self.most = max(self.most, self.flying)
        self.bundles.append(list(numbers))
        try:
            self.may.acquire(timeout=10)
            if self._error is not None:
                raise self._error
            if self._bad in numbers:
                raise ValueError("this one is refused")
            return [2 * number for number in numbers]
        finally:
            self.flying -= 1


@contextmanager
def asking(bundles: Bundles[int, int], numbers: Sequence[int]) -> Iterator[dict[int, Any]]:
    """A thread for each number, all of which wait; at the end what each was answered, or its error."""
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        try:
            answers[number] = bundles.ask(number)
        except Exception as error:
            answers[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in numbers]
    before = len(bundles._waiting)
    for nth, thread in enumerate(threads):
        thread.start()
        wait_for(lambda due=before + nth + 1: len(bundles._waiting) >= due)
    yield answers
    for thread in threads:
        thread.join(10)


@pytest.fixture
def first_in_flight() -> Callable[..., Any]:
    """``first_in_flight(server)``: bundles whose first question, 100, is with the server."""
    started: list[threading.Thread] = []

    def start(server: Server, unwanted: Callable[[int, int], None] = lambda *_: None) -> Any:
        bundles: Bundles[int, int] = Bundles(server, unwanted)

        def ask() -> None:
            with suppress(Exception):
                bundles.ask(100)

        started.append(threading.Thread(target=ask))
        started[-1].start()
        wait_for(lambda: server.bundles)
        return bundles

    return start


def test_one_question_is_in_flight_and_the_others_go_together_in_the_next(first_in_flight: Any) -> None:
    server = Server()
    bundles = first_in_flight(server)

    with asking(bundles, range(40)) as answers:
        server.may.release(2)

    assert answers == {number: 2 * number for number in range(40)}
    assert server.bundles == [[100], list(range(40))]
    assert server.most == 1


def test_a_bundle_has_a_largest_size(first_in_flight: Any) -> None:
    server = Server()
    bundles = first_in_flight(server)

    with asking(bundles, range(MAX_BUNDLE + 6)):
        server.may.release(3)

    assert [len(bundle) for bundle in server.bundles] == [1, MAX_BUNDLE, 6]


def test_what_a_question_does_wrong_fails_it_alone(first_in_flight: Any) -> None:
    server = Server(bad=3)
    bundles = first_in_flight(server)

    with asking(bundles, range(6)) as answers:
        server.may.release(8)

    assert str(answers.pop(3)) == "this one is refused"
    assert answers == {number: 2 * number for number in (0, 1, 2, 4, 5)}


def test_a_lost_connection_is_told_to_all_and_not_tried_for_each(first_in_flight: Any) -> None:
    server = Server(OperationalError(None, None, psycopg.OperationalError("the connection is lost")))
    bundles = first_in_flight(server)

    with asking(bundles, range(20)) as answers:
        server.may.release(2)

    assert {type(answer) for answer in answers.values()} == {OperationalError}
    assert server.bundles == [[100], list(range(20))]


def test_who_has_no_more_time_leaves_and_is_not_asked_for(first_in_flight: Any) -> None:
    server = Server()
    bundles = first_in_flight(server)

    with pytest.raises(Abandoned):
        bundles.ask(3, time.monotonic() + 0.1)
    with asking(bundles, [2]):
        server.may.release(2)

    assert server.bundles == [[100], [2]]


def test_an_answer_whose_caller_left_meanwhile_is_given_back(first_in_flight: Any) -> None:
    server = Server()
    unwanted: list[tuple[int, int]] = []
    bundles = first_in_flight(server, lambda *both: unwanted.append(both))
    left: list[int] = []

    def leave() -> None:
        try:
            bundles.ask(3, time.monotonic() + 2.0)
        except Abandoned:
            left.append(3)

    with asking(bundles, [2]) as answers:
        leaving = threading.Thread(target=leave)
        leaving.start()
        wait_for(lambda: len(bundles._waiting) == 2)
        server.may.release(1)
        wait_for(lambda: server.bundles[1:] == [[2, 3]])
        leaving.join(10)
        assert left == [3]
        server.may.release(1)

    assert answers == {2: 4}
    assert unwanted == [(3, 6)]


def test_questions_that_come_one_upon_the_other_are_gathered_and_a_lone_one_is_not() -> None:
    server = Server()
    bundles: Bundles[int, int] = Bundles(server, gather=0.2)
    for _ in range(40):
        server.may.release()
    began = time.monotonic()
    assert bundles.ask(1) == 2
    assert time.monotonic() - began < 0.2

    with asking(bundles, range(10, 20)) as answers:
        pass

    assert answers == {number: 2 * number for number in range(10, 20)}
    assert sorted(server.bundles[1]) == list(range(10, 20))
