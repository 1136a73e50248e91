"""Processes that take places of their host as those of a pool, a beat or a console do, and keep them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from multiprocessing.process import BaseProcess
from typing import Any

from tests.support.forked import FORKS
from workers.connections import places


def take(pool: int, threads: int) -> tuple[int, BaseProcess]:
    """As a process of a pool of ``pool`` (0: as a parent) that works in ``threads`` threads: how many it has."""
    told, tell = FORKS.Pipe(duplex=False)
    env = {
        name: value
        for name, value in os.environ.items()
        if name == "TMPDIR" or name.startswith("WATCH")
    }
    process = FORKS.Process(target=_hold, args=(tell, env, pool, threads), daemon=True)
    process.start()
    tell.close()
    with told:
        return told.recv(), process


def _hold(tell: Any, env: dict[str, str], pool: int, threads: int) -> None:
    os.environ.update(env)
    tempfile.tempdir = None
    places.set_pool_size(pool, threads)
    if pool:
        # As a fork does.
        places._own = places._Process()
        places.be_of_pool()
    number = 0
    with contextlib.suppress(places.NoPlace):
        number = places.share()
    tell.send(number)
    FORKS.Event().wait()
