"""A process that is forked while threads connect can connect itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

#: In processes of their own: a fork beside threads is what they are about.
WAITS = """
import os, threading, time
from workers.connections import forks

inside, over = threading.Event(), threading.Event()
left = []
def connect(seconds):
    with forks.no_fork():
        inside.set()
        over.wait(seconds)
        left.append(time.monotonic())
def fork():
    if not (pid := os.fork()):
        with forks.no_fork():
            os._exit(0)
    forked = time.monotonic()
    assert os.waitpid(pid, 0)[1] == 0
    return forked

thread = threading.Thread(target=connect, args=(0.3,))
thread.start()
inside.wait()
assert fork() >= left[0], "it was forked while a thread connected"
thread.join()

inside.clear()
thread = threading.Thread(target=connect, args=(60,))
thread.start()
inside.wait()
before = time.monotonic()
assert forks.MAX_WAIT <= fork() - before < forks.MAX_WAIT + 5 and len(left) == 1
over.set()
thread.join()
fork()
"""
#: Each round in a process in which OpenSSL has not been used.  A fork comes at any moment of a thread's first
#: connection; exit status 1: the connection of the forked process did not come about within 5 s.
CONNECTS = """
import os, select, sys, threading, time
from workers.db import make_engine
from workers.settings import settings

dsn = settings().libpq_dsn
def connect():
    made = make_engine(dsn, "test", 1)
    made.raw_connection().close()
    made.dispose()
def ended(pid, seconds):
    file = os.pidfd_open(pid)
    if not select.select([file], [], [], seconds)[0]:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        return False
    return os.waitpid(pid, 0)[1] == 0
def forked(act):
    if not (pid := os.fork()):
        try:
            act()
        finally:
            os._exit(1)
    return pid
def timed():
    began = time.monotonic()
    connect()
    os.write(out, str(time.monotonic() - began).encode())
    os._exit(0)
def one_round(after):
    thread = threading.Thread(target=connect)
    thread.start()
    thread.join(after)
    def act():
        connect()
        os._exit(0)
    os._exit(not ended(forked(act), 5.0))

read, out = os.pipe()
assert ended(forked(timed), 30.0)
took, rounds = float(os.read(read, 99)), int(sys.argv[1])
hung = sum(not ended(forked(lambda: one_round(took * nth / rounds)), 30.0) for nth in range(rounds))
sys.exit(f"{hung} of {rounds} hung" if hung else 0)
"""


def test_a_fork_waits_until_no_thread_connects_but_no_longer_than_connecting_may_take() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", WAITS], check=True, timeout=60)


def test_a_process_forked_while_a_thread_connects_for_the_first_time_can_connect(database: Any) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", CONNECTS, "60"], check=True, timeout=150)
