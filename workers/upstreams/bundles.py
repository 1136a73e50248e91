"""Many threads' questions in one statement: one is in flight, what is asked meanwhile goes in the next.

The first thread that asks leads: it asks for all that wait, itself included; then the next that waits
leads.  A question that is alone is asked at once.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy.exc import DBAPIError

from workers.db import is_lost

Q = TypeVar("Q")
A = TypeVar("A")

#: Questions at most in one statement.
MAX_BUNDLE = 64
#: Questions come often when the last was answered no longer ago than so many times the gathering.
OFTEN = 5


class Abandoned(Exception):
    """The caller's time was over before there was an answer."""


class _Asked(Generic[Q, A]):
    __slots__ = ("abandoned", "answers", "awake", "error", "leads", "question")

    def __init__(self, question: Q) -> None:
        self.question = question
        self.awake = threading.Event()
        self.leads = self.abandoned = False
        self.answers: list[A] = []
        self.error: BaseException | None = None


class Bundles(Generic[Q, A]):
    """``ask`` returns the answer that ``do`` gives in a bundle of questions.

    ``unwanted`` hears of answers that came when their callers had gone.  ``gather``: while questions
    come one upon the other, the first of a bundle waits so long for more (seconds).
    """

    def __init__(
        self,
        do: Callable[[Sequence[Q]], Sequence[A]],
        unwanted: Callable[[Q, A], None] = lambda *_: None,
        gather: float = 0.0,
    ) -> None:
        self._do, self._unwanted, self._gather = do, unwanted, gather
        self._answered_at = float("-inf")
        self._lock = threading.Lock()
        self._waiting: deque[_Asked[Q, A]] = deque()
        self._busy = False

    def ask(self, question: Q, deadline: float | None = None) -> A:
        """The answer; Abandoned when there is none before ``deadline`` (monotonic clock)."""
        mine: _Asked[Q, A] = _Asked(question)
        with self._lock:
            self._waiting.append(mine)
            mine.leads, self._busy = not self._busy, True
            often = time.monotonic() - self._answered_at < OFTEN * self._gather
        if mine.leads and often:
            time.sleep(self._gather)
        if not mine.leads:
            mine.awake.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
            self._withdraw(mine)
        if mine.leads:
            self._lead()
        if mine.error is not None:
            raise mine.error
        if not mine.answers:
            raise Abandoned
        return mine.answers[0]

    def _withdraw(self, mine: _Asked[Q, A]) -> None:
        """Take back what is not answered; one that leads by now asks, for itself and others."""
        with self._lock:
            if mine.leads or mine.answers or mine.error is not None:
                return
            if mine in self._waiting:
                self._waiting.remove(mine)
            else:
                mine.abandoned = True

    def _lead(self) -> None:
        with self._lock:
            bundle = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BUNDLE))]
        try:
            self._answer(bundle)
        finally:
            with self._lock:
                self._answered_at = time.monotonic()
                self._busy = bool(self._waiting)
                if self._busy:
                    self._waiting[0].leads = True
                    self._waiting[0].awake.set()

    def _answer(self, bundle: list[_Asked[Q, A]]) -> None:
        """Ask; a bundle that Postgres refuses is asked one by one, so that only what is wrong fails."""
        try:
            answers = self._do([one.question for one in bundle])
        except BaseException as error:
            lost = isinstance(error, DBAPIError) and is_lost(error)
            if len(bundle) > 1 and isinstance(error, Exception) and not lost:
                for one in bundle:
                    self._answer([one])
                return
            self._tell(bundle, error=error)
        else:
            self._tell(bundle, answers)

    def _tell(
        self,
        bundle: list[_Asked[Q, A]],
        answers: Sequence[A] = (),
        error: BaseException | None = None,
    ) -> None:
        gone: list[tuple[Q, A]] = []
        with self._lock:
            for nth, one in enumerate(bundle):
                one.error = error
                one.answers = [answers[nth]] if error is None else []
                if one.abandoned and error is None:
                    gone.append((one.question, answers[nth]))
                one.awake.set()
        for question, answer in gone:
            self._unwanted(question, answer)
