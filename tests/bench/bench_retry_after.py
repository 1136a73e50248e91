"""A block: eight hungry processes, one upstream that now and then answers 429 with Retry-After.

No permit is given from the moment the answer was read until the time named; how soon after it is the first?
Half of the processes have a clock that is a second off, which makes no difference.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from sandbox.ports import free_port
from sandbox.processes import Process, wait_until
from tests.support.bench_environment import ROOT, bench_environment, percentile, say

PROCESSES = 8
CLOSED = "select blocked_until > clock_timestamp() from upstream_state where upstream = 'bench'"


def call(number: int, stop: str) -> None:
    """Call until told to stop; a wait is slept where nothing else is to do."""
    import logging

    from workers import db
    from workers.errors import QuotaSpent, QuotaWait, UpstreamError
    from workers.upstreams import CallOptions, UpstreamClient, client

    db.reset(close=False)
    client.reset(close=False)
    logging.disable(logging.WARNING)
    if number % 2:
        real = time.time
        time.time = lambda: real() + 1.0
    client = UpstreamClient()
    while not Path(stop).exists():
        try:
            client.get("bench", f"/{number}", CallOptions(timeout=4))
        except (QuotaWait, QuotaSpent) as error:
            time.sleep(min(getattr(error, "seconds", 0.1), 0.1))
        except UpstreamError:
            time.sleep(0.05)


def ask_for_a_pause(url: str) -> bool:
    """The imitation answers 429 with Retry-After for a moment."""
    order = json.dumps({"retry_after": 0.3}).encode()
    urllib.request.urlopen(urllib.request.Request(url + "/_control", order), timeout=5).close()
    return True


def main() -> None:
    rounds = 4 if "--quick" in sys.argv else 20
    with bench_environment() as bench:
        port = free_port()
        imitation = Process(
            [sys.executable, "-m", "sandbox.upstreams", "generic", "--port", str(port), "--latency",
             "lognormal:20,1,300"], log=bench.folder / "upstream.log", cwd=ROOT,
        )  # fmt: skip
        imitation.start()
        url = f"http://127.0.0.1:{port}"

        def up() -> bool:
            try:
                urllib.request.urlopen(url + "/_ready", timeout=1).close()
            except OSError:
                return False
            return True

        wait_until(up, imitation, "upstream", 30.0)
        bench.sql.execute(
            "insert into upstream (name, base_url, concurrency) values ('bench', %s, 8)", (url,)
        )
        # No limit but the closing: else the first call again would wait for a full window now and then.
        bench.sql.execute("insert into quota (upstream, per, calls) values ('bench', '1 second', 1000)")
        stop = str(bench.folder / "stop")
        context = multiprocessing.get_context("fork")
        callers = [context.Process(target=call, args=(n, stop)) for n in range(PROCESSES)]
        for caller in callers:
            caller.start()
        bench.until(lambda: bench.value("select count(*) from permit where status = 200") > 50)
        closings: list[Any] = []
        for _ in range(rounds):
            # Asked again until a call met it.
            bench.until(lambda: ask_for_a_pause(url) and bench.value(CLOSED), every=0.1)
            # Calls that were in flight may hear the same a little later, and close it for longer.
            while until := bench.value(
                "select blocked_until from upstream_state where upstream = 'bench'"
            ):
                last = until
                time.sleep(0.02)
            closings.append(last)
            time.sleep(0.5)
        Path(stop).touch()
        for caller in callers:
            caller.join()
        early, late = 0, []
        for until in closings:
            # The imitation names whole seconds: one, so the block began a second before.
            early += bench.value(
                "select count(*) from permit where upstream = 'bench' and granted_at < %s"
                " and granted_at > %s - interval '0.9 s'", until, until,
            )  # fmt: skip
            first = bench.value(
                "select extract(epoch from min(granted_at) - %s)::float8 from permit"
                " where upstream = 'bench' and granted_at >= %s", until, until,
            )  # fmt: skip
            late.append(1000 * first)
        say(
            "retry_after", processes=PROCESSES, closings=len(closings), granted_while_closed=early,
            first_again_p50_ms=percentile(late, 0.5), first_again_p99_ms=percentile(late, 0.99),
        )  # fmt: skip
        imitation.stop(grace=3.0)


if __name__ == "__main__":
    main()
