"""Work that computes runs one at a time a process.

Threads that all compute take the interpreter from one another again and again: none is done sooner,
each is done later, and those that only wait for an answer get it later too.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_one = threading.RLock()
os.register_at_fork(after_in_child=lambda: globals().update(_one=threading.RLock()))


@contextmanager
def computing() -> Iterator[None]:
    """Of the threads of this process one at a time is inside; inside, nothing is waited for.

    For a parse, a computation, a comparison of many rows: no call, no statement.
    """
    with _one:
        yield
