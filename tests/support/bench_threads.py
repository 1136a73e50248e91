"""Benches of many calls in flight: slow shops, runs, and processes that work them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sandbox.ports import free_port
from sandbox.processes import wait_until
from tests.support.bench_environment import ROOT, BenchEnvironment, pss_mib, tree, tree_cpu


class Shops:
    """The shops' process: its addresses, and what it saw."""

    def __init__(self, bench: BenchEnvironment, seconds: float, pages: int) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        options = ["--port", str(port), "--seconds", str(seconds), "--pages", str(pages)]
        process = bench.program("shops", "tests.support.shops", *options)
        wait_until(self._up, process, "the shops", 60.0)

    def _up(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.seen())
        return False

    def seen(self) -> dict[str, Any]:
        """What was seen since it was last asked."""
        with urllib.request.urlopen(f"{self.url}/_seen", timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def new_runs(
    bench: BenchEnvironment, task: str, queue: str, options: Sequence[dict[str, Any]]
) -> list[str]:
    """Runs with their first batches, as a person asks for them."""
    ids = [str(uuid.uuid4()) for _ in options]
    bench.sql.execute(
        "insert into run (id, due_at, queue, batch_count, open_batches, task, options, trigger, state)"
        " select id::uuid, clock_timestamp(), %s, 1, 1, %s, options::jsonb, 'manual', 'due'"
        " from unnest(%s::text[], %s::text[]) as one(id, options)",
        (queue, task, ids, [json.dumps(one) for one in options]),
    )
    bench.sql.execute(
        "insert into batch (run_id, seq, task, queue) select id::uuid, 0, %s, %s from unnest(%s::text[]) id",
        (task, queue, ids),
    )
    return ids


class Fleet:
    """Processes that each work a share of the runs in so many threads."""

    def __init__(
        self, application: str, task: str, ids: list[str], processes: int, threads: int
    ) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.support.threaded_worker",
            application,
            task,
            str(threads),
        ]
        self._processes = [
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, bufsize=1
            )
            for _ in range(processes)
        ]
        for nth, process in enumerate(self._processes):
            self._say(process, "\n".join([*ids[nth::processes], ""]))
        for process in self._processes:
            self._hear(process, "ready")

    @staticmethod
    def _say(process: subprocess.Popen[str], text: str) -> None:
        assert process.stdin is not None
        process.stdin.write(text + "\n")
        process.stdin.flush()

    @staticmethod
    def _hear(process: subprocess.Popen[str], word: str) -> None:
        assert process.stdout is not None
        heard = process.stdout.readline().strip()
        assert heard == word, f"said {heard!r} in place of {word!r}"

    def threads(self) -> int:
        return sum(len(list(Path(f"/proc/{one.pid}/task").iterdir())) for one in self._processes)

    def cpu(self) -> float:
        return sum(tree_cpu(process.pid) for process in self._processes)

    def memory(self) -> float:
        return pss_mib([pid for process in self._processes for pid in tree(process.pid)])

    def work(self) -> float:
        """Work all of it; returns the seconds that it took."""
        began = time.monotonic()
        for process in self._processes:
            self._say(process, "go")
        for process in self._processes:
            self._hear(process, "done")
        return time.monotonic() - began

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def watched(fleet: Fleet) -> Iterator[list[float]]:
    """The most memory that the fleet had (MiB), looked at twice a second; in a list, when it is over."""
    over, most = threading.Event(), [0.0]

    def look() -> None:
        while not over.wait(0.5):
            most[0] = max(most[0], fleet.memory())

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    yield most
    over.set()
    looking.join()
