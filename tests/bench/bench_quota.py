"""Never above an upstream's limit, as the upstream counts, and nearly all of it used.

Eight processes call four strict imitations through the client, with a one-way latency that has a tail of a
second: 60 per 6 s; 5 per 6 s and 40 per 60 s with 2 at once; 1 per 2 s; 30 at a time with a Retry-After
now and then.  First without faults, then while processes are killed with -9 and Postgres crashes once.
The figures come from the imitations' own logs.  ``--quick``: a few windows of each.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import random
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.bench_environment import BenchEnvironment, bench_environment, say
from tests.support.strict_upstreams import TIMEOUT, UPSTREAMS, Imitations, introduce, judge

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


def work(number: int, folder: Path) -> None:
    """One process: calls the upstreams in turn, its own first, until the time is over and all is done."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from workers import db
    from workers.errors import QuotaSpent, QuotaWait, UpstreamError
    from workers.upstreams import CallOptions, UpstreamClient, client

    db.reset(close=False)
    client.reset(close=False)
    logging.disable(logging.WARNING)
    client = UpstreamClient(settle_later=True)
    claim, give_back = text(CLAIM), text("update bench_item set lease_until = '-infinity' where n = :n")
    done = text("update bench_item set done = true where n = :n")
    order = [UPSTREAMS[(number + k) % 4][0] for k in range(4)]
    rest = dict.fromkeys(order, 0.0)
    idle = 0
    (folder / f"ready{number}").touch()
    while not (folder / "ends").exists():
        time.sleep(0.05)
    ends = float((folder / "ends").read_text())
    while time.time() < ends or idle < 3:
        ready = [name for name in order if rest[name] <= time.monotonic()]
        if not ready:
            time.sleep(max(0.0, min(min(rest.values()) - time.monotonic(), 0.05)))
            continue
        name = ready[0]
        try:
            with db.transaction() as connection:
                n = connection.execute(
                    claim, {"upstream": name, "fresh": time.time() < ends}
                ).scalar_one_or_none()
            if n is None:
                rest[name] = time.monotonic() + 0.5
                idle += name == order[-1] and time.time() > ends + 8
                continue
            try:
                client.get(name, f"/item/{n}", CallOptions(timeout=TIMEOUT))
            except (QuotaWait, QuotaSpent, UpstreamError) as error:
                rest[name] = time.monotonic() + min(getattr(error, "seconds", 1.0), 5.0)
                with db.transaction() as connection:
                    client.settle(db.driver(connection))
                    connection.execute(give_back, {"n": n})
                continue
            with db.transaction() as connection:
                client.settle(db.driver(connection))
                connection.execute(done, {"n": n})
            if name == "bench_d":
                rest[name] = time.monotonic() + 0.4
        except DBAPIError:
            # Postgres is away: what is unknown stays leased, and is done again by whoever finds it.
            db.reset()
            time.sleep(0.2)


class Fleet:
    """The eight processes, killed and started again as the faults ask."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._processes = [self._start(number) for number in range(PROCESSES)]
        self.kills = 0

    def go(self, seconds: float) -> float:
        """Let them begin together when all are there; returns when new calls end (Unix time)."""
        while len(list(self._folder.glob("ready*"))) < PROCESSES:
            time.sleep(0.1)
        ends = time.time() + seconds
        (self._folder / "starts").write_text(str(ends))
        (self._folder / "starts").rename(self._folder / "ends")
        return ends

    def _start(self, number: int) -> Any:
        # Forked, as a pool's processes are: a killed one is back at once, on a busy machine too.
        process = multiprocessing.get_context("fork").Process(
            target=work, args=(number, self._folder), daemon=True
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


def measure(bench: BenchEnvironment, what: str, seconds: float, *, kills: int, crash: bool) -> None:
    bench.sql.execute("drop table if exists bench_item")
    bench.sql.execute(TABLE)
    bench.sql.execute("grant all on bench_item to public")
    bench.sql.execute("create index on bench_item (upstream, n) where not done")
    imitations = Imitations(bench.folder)
    try:
        introduce(bench, imitations)
        fleet = Fleet(bench.folder / what)
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
                fleet.kill_one(chance.randrange(PROCESSES))
            if crash and not crashes and now > seconds / 2:
                bench.crash_postgres()
                crashes += 1
        fleet.wait(60.0)
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
        measure(bench, "quota", 30 if quick else 200, kills=0, crash=False)
        measure(bench, "quota_faults", 30 if quick else 200, kills=8 if quick else 50, crash=True)


if __name__ == "__main__":
    main()
