"""Never above an upstream's limit, as the upstream counts, and nearly all of it used.

Eight processes call four strict imitations through the client, with a one-way latency that has a tail of a
second: 60 per 6 s; 5 per 6 s and 40 per 60 s with 2 at once; 1 per 2 s; 30 at a time with a Retry-After
now and then.  First without faults, then while processes are killed with -9 and Postgres crashes once;
both again with two processes of 16 threads.
The figures come from the imitations' own logs.  ``--quick``: a few windows of each.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import random
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.bench_environment import BenchEnvironment, bench_environment, say
from tests.support.strict_upstreams import TIMEOUT, UPSTREAMS, Imitations, introduce, judge

if TYPE_CHECKING:
    from workers.upstreams import UpstreamClient

PROCESSES = 8
TABLE = """
create table bench_item (upstream text, n bigint generated always as identity primary key,
    done boolean not null default false, lease_until timestamptz not null)
"""
CLAIM = """
with lost as (
    update bench_item set lease_until = clock_timestamp() + interval '6 s'
     where n = (select n from bench_item where upstream = :upstream and not done
                   and lease_until < clock_timestamp() order by n limit 1 for update skip locked)
    returning n
), fresh as (
    insert into bench_item (upstream, lease_until)
    select :upstream, clock_timestamp() + interval '6 s'
     where :fresh and not exists (select from lost)
    returning n
)
select n from lost union all select n from fresh
"""


def work(number: int, threads: int, folder: Path) -> None:
    """One process: its threads call the upstreams until the time is over and all is done."""
    from workers import db
    from workers.upstreams import client

    db.reset(close=False)
    client.reset(close=False)
    logging.disable(logging.WARNING)
    (folder / f"ready{number}").touch()
    while not (folder / "ends").exists():
        time.sleep(0.05)
    ends = float((folder / "ends").read_text())
    others = [
        threading.Thread(target=call_in_turn, args=(number + nth, ends), daemon=True)
        for nth in range(1, threads)
    ]
    for other in others:
        other.start()
    call_in_turn(number, ends)
    for other in others:
        other.join()


def call_in_turn(number: int, ends: float) -> None:
    """Call the upstreams in turn, its own first, as the work comes."""
    from sqlalchemy.exc import DBAPIError

    from workers import db
    from workers.upstreams import UpstreamClient

    client = UpstreamClient(settle_later=True)
    order = [UPSTREAMS[(number + k) % 4][0] for k in range(4)]
    rest = dict.fromkeys(order, 0.0)
    while True:
        ready = [name for name in order if rest[name] <= time.monotonic()]
        if not ready:
            time.sleep(max(0.0, min(min(rest.values()) - time.monotonic(), 0.05)))
            continue
        try:
            # What another was refused, or left when it was killed, is to be done as well.
            if time.time() > ends and not is_left():
                return
            rest[ready[0]] = time.monotonic() + one_call(client, ready[0], fresh=time.time() < ends)
        except DBAPIError:
            # Postgres is away: what is unknown stays leased, and is done again by whoever finds it.
            db.engine().dispose()
            time.sleep(0.2)


def is_left() -> bool:
    from sqlalchemy import text

    from workers import db

    with db.transaction() as connection:
        return bool(
            connection.execute(text("select exists (select from bench_item where not done)")).scalar()
        )


def one_call(client: UpstreamClient, name: str, *, fresh: bool) -> float:
    """Make one call, for work of an earlier one first; returns how long not to ask again (seconds)."""
    from sqlalchemy import text

    from workers import db
    from workers.errors import QuotaSpent, QuotaWait, UpstreamError
    from workers.upstreams import CallOptions

    with db.transaction() as connection:
        n = connection.execute(text(CLAIM), {"upstream": name, "fresh": fresh}).scalar_one_or_none()
    if n is None:
        return 0.5
    try:
        client.get(name, f"/item/{n}", CallOptions(timeout=TIMEOUT))
    except (QuotaWait, QuotaSpent, UpstreamError) as error:
        with db.transaction() as connection:
            client.settle(db.driver(connection))
            connection.execute(
                text("update bench_item set lease_until = '-infinity' where n = :n"), {"n": n}
            )
        return min(getattr(error, "seconds", 1.0), 5.0)
    with db.transaction() as connection:
        client.settle(db.driver(connection))
        connection.execute(text("update bench_item set done = true where n = :n"), {"n": n})
    return 0.4 if name == "bench_d" else 0.0


class Fleet:
    """The eight processes, killed and started again as the faults ask."""

    def __init__(self, folder: Path, processes: int, threads: int) -> None:
        self._folder, self._threads = folder, threads
        folder.mkdir()
        self._processes = [self._start(number) for number in range(processes)]
        self.kills = 0

    def go(self, seconds: float) -> float:
        """Let them begin together when all are there; returns when new calls end (Unix time)."""
        while len(list(self._folder.glob("ready*"))) < len(self._processes):
            time.sleep(0.1)
        ends = time.time() + seconds
        (self._folder / "starts").write_text(str(ends))
        (self._folder / "starts").rename(self._folder / "ends")
        return ends

    def _start(self, number: int) -> Any:
        # Forked, as a pool's processes are: a killed one is back at once, on a busy machine too.
        process = multiprocessing.get_context("fork").Process(
            target=work, args=(number, self._threads, self._folder), daemon=True
        )
        process.start()
        return process

    def kill_one(self, number: int) -> None:
        self._processes[number].kill()
        self._processes[number].join()
        self._processes[number] = self._start(number)
        self.kills += 1

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for process in self._processes:
            process.join(max(0.1, end - time.monotonic()))
            if process.exitcode is None:
                process.kill()
                process.join()


def measure(
    bench: BenchEnvironment,
    what: str,
    seconds: float,
    *,
    kills: int = 0,
    crash: bool = False,
    processes: int = PROCESSES,
    threads: int = 1,
) -> None:
    bench.sql.execute("drop table if exists bench_item")
    bench.sql.execute(TABLE)
    bench.sql.execute("grant all on bench_item to public")
    bench.sql.execute("create index on bench_item (upstream, n) where not done")
    imitations = Imitations(bench.folder)
    try:
        introduce(bench, imitations)
        fleet = Fleet(bench.folder / what, processes, threads)
        ends = fleet.go(seconds)
        chance = random.Random(4)
        crashes = 0
        begin, retry_after = time.time(), 10.0
        while time.time() < ends:
            time.sleep(0.2)
            now = time.time() - begin
            if now > retry_after:
                imitations.ask("bench_d", "/_control", {"retry_after": 2.5})
                retry_after += 12.0
            if fleet.kills < kills and now > (fleet.kills + 1) * seconds / (kills + 1):
                fleet.kill_one(chance.randrange(processes))
            if crash and not crashes and now > seconds / 2:
                bench.crash_postgres()
                crashes += 1
        fleet.wait(120.0)
        figures = judge(bench, imitations, ends)
        figures["lost"] = bench.value("select count(*) from bench_item where not done")
    finally:
        imitations.stop()
    say(what, seconds=seconds, kills=fleet.kills, postgres_crashes=crashes, **figures)


def main() -> None:
    quick = "--quick" in sys.argv
    with bench_environment() as bench:
        importlib.import_module("workers.upstreams.client")
        # A permit granted must outlive a crash; the bench's own server would not wait for that.
        bench.sql.execute("alter database watchkeeper set synchronous_commit = on")
        seconds, kills = (30, 8) if quick else (200, 50)
        measure(bench, "quota", seconds)
        measure(bench, "quota_faults", seconds, kills=kills, crash=True)
        slots = {"processes": 2, "threads": 16}
        measure(bench, "quota_threads", seconds, **slots)
        measure(bench, "quota_threads_faults", seconds, kills=kills, crash=True, **slots)


if __name__ == "__main__":
    main()
