"""Heaps of a process with many threads: glibc says how many there are."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

from tests.support.tools import need

COUNT = """
import ctypes, sys, tempfile, threading
from workers.processes.memory import limit_arenas

if sys.argv[1] == "limited":
    limit_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(24)


def use() -> None:
    together.wait()
    libc.malloc(100_000)
    together.wait()


threads = [threading.Thread(target=use) for _ in range(24)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as kept:
    file = ctypes.c_void_p(libc.fopen(kept.name.encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(open(kept.name).read().count("<heap nr="))
"""


def heaps(how: str) -> int:
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, how], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_all_threads_of_a_worker_share_two_heaps() -> None:
    need(hasattr(ctypes.CDLL(None), "malloc_info"), "glibc")
    assert heaps("limited") == 2
    assert heaps("as it is") > 2
