"""Many due at one instant: messages a second from claim to mark, and beat's CPU for each.

One beat in this process, for N = 1,000, 10,000 and 100,000; then ``apply_async`` with a shared producer
for comparison; then plain tasks beside a kind; then two beats as processes against one; then, on a server that can compile (LLVM), the
same burst with JIT on and off.  Exit status 1 when JIT on costs more than a tenth.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from typing import Any

from tests.support.bench_environment import KIND, PLAIN, BenchEnvironment, bench_environment, say


def one_beat(bench: BenchEnvironment, number: int, task: str = KIND) -> dict[str, float]:
    """Everything due now is sent by one beat of this process."""
    from beat.scheduler import DatabaseScheduler
    from workers.app import app

    bench.empty()
    scheduler = DatabaseScheduler(app=app)
    scheduler.work()
    bench.load(number, "interval '0'", task=task)
    began, cpu, server = time.perf_counter(), time.process_time(), bench.postgres_cpu()
    # A tick sends what it claims; what it looks at again later is no part of the burst.
    while bench.value("select exists (select from schedule_state where claim_at <= clock_timestamp())"):
        scheduler.work()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    server = bench.postgres_cpu() - server
    scheduler.close()
    sent = bench.value("select count(*) from batch where state = 'sent'")
    assert sent == number, f"{sent} of {number} sent"
    return {
        "per_second": number / wall,
        "cpu_ms_per_message": 1000 * cpu / number,
        "postgres_cpu_ms_per_message": 1000 * server / number,
    }


def plain_tasks(bench: BenchEnvironment, number: int) -> None:
    """The same burst of plain Celery tasks, each a message of its own, beside that of a kind; by turns."""
    found: dict[str, list[dict[str, float]]] = {KIND: [], PLAIN: []}
    for _ in range(3):
        for task, done in found.items():
            done.append(one_beat(bench, number, task))
    best = {
        task: {name: min(one[name] for one in done) for name in done[0]} for task, done in found.items()
    }
    for task, figures in best.items():
        say("burst_task", n=number, task=task, **figures)
    names = ("cpu_ms_per_message", "postgres_cpu_ms_per_message")
    plain, kind = (sum(best[task][name] for name in names) for task in (PLAIN, KIND))
    say("burst_plain", n=number, times_the_cpu_of_a_kind=plain / kind)


def publishing_alone(number: int) -> float:
    """CPU milliseconds a message of building and pushing, without the ledger."""
    from beat.tick.outbox import Outbox
    from workers.app import app
    from workers.ledger.sent import Message

    outbox = Outbox(app)
    run_id = "00000000-0000-4000-8000-000000000000"
    messages = [Message(run_id, n, 0, KIND, "upkeep", 5, f"s-{n}") for n in range(number)]
    cpu = time.process_time()
    outbox.publish(messages)
    return 1000 * (time.process_time() - cpu) / number


def apply_async(number: int) -> dict[str, float]:
    """Celery's own way, at its best: one producer for all."""
    from workers.app import app

    def noop(*_: Any) -> None:
        """Never run."""

    task: Any = app.task(name="bench.noop")(noop)
    began, cpu = time.perf_counter(), time.process_time()
    with app.producer_pool.acquire(block=True) as producer:
        for n in range(number):
            task.apply_async(args=("00000000-0000-4000-8000-000000000000", n), producer=producer)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"per_second": number / wall, "cpu_ms_per_message": 1000 * cpu / number}


def processes(bench: BenchEnvironment, beats: int, number: int) -> float:
    """Messages a second of so many beats that are up when the instant comes."""
    bench.empty()
    for _ in range(beats):
        bench.beat()
    bench.load(number, "interval '3 seconds'")
    due = bench.value("select min(claim_at) from schedule_state")
    bench.until(
        lambda: bench.value("select count(*) from batch where state = 'sent'") == number, every=0.1
    )
    seconds = bench.value("select extract(epoch from max(updated_at) - %s) from batch", due)
    runs = bench.value("select count(distinct schedule) from run")
    assert runs == number, f"{runs} of {number} ran"
    bench.stop_beats()
    return number / float(seconds)


def compiling(bench: BenchEnvironment, number: int) -> float:
    """The rate with JIT on to that with JIT off, in turns; 1.0 on a server that cannot compile.

    Our sessions switch it off; here they switch it on, so that the plans speak for themselves.
    """
    from workers.connections import postgres

    version = bench.value("show server_version")
    bench.sql.execute("set jit = on")
    if not bench.value("select pg_jit_available()"):
        say("burst_jit", server=version, skipped="built without LLVM: name a stock one by --postgres")
        return 1.0
    options, found = postgres.SESSION_OPTIONS, {}
    rates: dict[str, list[dict[str, float]]] = {"on": [], "off": []}
    one_beat(bench, number)
    for _ in range(5):
        for jit, done in rates.items():
            postgres.SESSION_OPTIONS = f"{options} -c jit={jit}"
            done.append(one_beat(bench, number))
    postgres.SESSION_OPTIONS = options
    for jit, done in rates.items():
        # The best of five: a machine that is busy with others only makes it slower.
        found[jit] = max(one["per_second"] for one in done)
        found[f"postgres_ms_{jit}"] = statistics.median(
            one["postgres_cpu_ms_per_message"] for one in done
        )
    say("burst_jit", n=number, server=version, **found, ratio=found["on"] / found["off"])
    return found["on"] / found["off"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "largest", nargs="?", type=int, default=100_000, help="messages of the largest burst"
    )
    parser.add_argument("--postgres", metavar="BIN", help="folder with another server's binaries")
    parser.add_argument(
        "--short", action="store_true", help="only JIT on against JIT off, 3,000 messages"
    )
    parser.add_argument("--plain", action="store_true", help="only plain tasks against a kind")
    given = parser.parse_args()
    if given.postgres:
        os.environ["WATCHKEEPER_TEST_POSTGRES"] = given.postgres
    with bench_environment() as bench:
        if given.plain:
            one_beat(bench, 1_000)
            plain_tasks(bench, 10_000)
            return 0
        if not given.short:
            bursts(bench, given.largest)
        return int(compiling(bench, 3_000 if given.short else 10_000) < 0.9)


def bursts(bench: BenchEnvironment, largest: int) -> None:
    """All but JIT."""
    one_beat(bench, 1_000)
    rates = {}
    for number in (1_000, 10_000, largest):
        # A thousand is over too soon to be measured once.
        tries = [one_beat(bench, number) for _ in range(5 if number == 1_000 else 1)]
        found = sorted(tries, key=lambda one: one["per_second"])[len(tries) // 2]
        rates[number] = found["per_second"]
        say("burst", n=number, **found)
    say("burst_flat", slowdown=rates[1_000] / rates[largest])
    plain_tasks(bench, 10_000)
    bench.valkey.flush()
    stock = apply_async(3_000)
    say("apply_async", n=3_000, **stock)
    alone = publishing_alone(20_000)
    say(
        "burst_ratio",
        rate_to_apply_async=rates[10_000] / stock["per_second"],
        publish_cpu_ms=alone,
        publish_cpu_to_apply_async=alone / stock["cpu_ms_per_message"],
    )
    one, two = (processes(bench, beats, 20_000) for beats in (1, 2))
    say("burst_beats", one=one, two=two, ratio=two / one)


if __name__ == "__main__":
    sys.exit(main())
