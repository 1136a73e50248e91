"""The four strict upstreams of the quota benches: their imitations, their rows, and what they saw."""

from __future__ import annotations

import contextlib
import json
import sys
import urllib.request
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.ports import free_port
from sandbox.processes import Process, wait_until
from tests.support.bench_environment import ROOT, BenchEnvironment

#: Name, limits, most at once, columns of its row.
UPSTREAMS: list[tuple[str, list[tuple[int, int]], int]] = [
    ("bench_a", [(60, 6)], 20),
    ("bench_b", [(5, 6), (40, 60)], 2),
    ("bench_c", [(1, 2)], 20),
    ("bench_d", [], 30),
]
#: Total deadline of a call (seconds): its permit is leased for one second more.
TIMEOUT = 4.0


class Imitations:
    """The four upstreams and what they saw."""

    def __init__(self, folder: Path) -> None:
        self.ports: dict[str, int] = {}
        self._processes: list[Process] = []
        for name, limits, concurrency in UPSTREAMS:
            port = self.ports[name] = free_port()
            options = [part for calls, per in limits for part in ("--limit", f"{calls}/{per}")]
            process = Process(
                [sys.executable, "-m", "sandbox.upstreams", "generic", "--port", str(port), *options,
                 "--concurrency", str(concurrency), "--latency", "lognormal:20,1,1000"],
                log=folder / f"{name}.log",
                cwd=ROOT,
            )  # fmt: skip
            process.start()
            wait_until(lambda port=port: self._up(port), process, name, 60.0)
            self._processes.append(process)

    def _up(self, port: int) -> bool:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_ready", timeout=2),
        ):
            return True
        return False

    def ask(self, name: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[name]}{path}", data)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def stop(self) -> None:
        for process in self._processes:
            process.stop(grace=3.0)


def introduce(bench: BenchEnvironment, imitations: Imitations) -> None:
    """Their rows, and no call remembered."""
    bench.sql.execute("delete from permit; delete from upstream where name like 'bench%'")
    for name, limits, concurrency in UPSTREAMS:
        bench.sql.execute(
            "insert into upstream (name, base_url, concurrency) values (%s, %s, %s)",
            (name, f"http://127.0.0.1:{imitations.ports[name]}", concurrency),
        )
        for calls, per in limits:
            bench.sql.execute(
                "insert into quota (upstream, per, calls) values (%s, %s, %s)",
                (name, timedelta(seconds=per), calls),
            )
    # A call must stay a while, or nothing would ever be there at once.
    imitations.ask("bench_b", "/_control", {"slow": 0.05})


def utilisation(arrivals: list[float], calls: int, per: float) -> float | None:
    """Share of a limit used over whole windows, the first window (a burst into nothing) left out."""
    if not arrivals:
        return None
    begin = arrivals[0] + per
    windows = int((arrivals[-1] - begin) // per)
    if windows < 1:
        return None
    return sum(begin < at <= begin + windows * per for at in arrivals) / (calls * windows)


def judge(bench: BenchEnvironment, imitations: Imitations, ends: float) -> dict[str, Any]:
    """What the upstreams saw, set against what the ledger says."""
    figures: dict[str, Any] = {
        "calls": 0,
        "violations": 0,
        "utilisation": {},
        "repeated": 0,
        "unpaid": 0,
    }
    for name, limits, concurrency in UPSTREAMS:
        seen = imitations.ask(name, "/_violations")
        log = imitations.ask(name, "/_log")
        figures["calls"] += len(log)
        figures["violations"] += sum(one["violations"] for one in seen["windows"])
        figures["violations"] += sum(row["in_flight"] > concurrency for row in log)
        served = Counter(row["path"] for row in log if row["status"] == 200)
        figures["repeated"] += sum(served.values()) - len(served)
        paid = bench.value("select count(*) from permit where upstream = %s", name)
        figures["unpaid"] += max(0, len(log) - paid)
        if name == "bench_d":
            figures["refused_by_retry_after"] = sum(row["status"] == 429 for row in log)
        arrivals = sorted(row["at"] for row in log if row["wall"] <= ends)
        shares = [utilisation(arrivals, *limit) for limit in limits]
        known = [share for share in shares if share is not None]
        if known:
            figures["utilisation"][name.removeprefix("bench_")] = round(max(known), 4)
    return figures
