"""Exponential back-off (pure): the one place that computes how long to wait after failures."""

import random


def backoff(
    failures: int, initial: float, maximum: float, jitter: tuple[float, float] = (1.0, 1.0)
) -> float:
    """Seconds to wait after the ``failures``-th failure in a row, counted from 1.

    Starts at ``initial``, doubles up to ``maximum``, times a random number in ``jitter``.
    """
    seconds: float = min(initial * 2.0 ** min(max(failures, 1) - 1, 60), maximum)
    return seconds * random.uniform(*jitter)
