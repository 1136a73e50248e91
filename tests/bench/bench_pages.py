"""Pages a second from shops that take 0.5 s a page, 20 ads each, all stored: 2 processes of 40 slots.

First ads that are new, then the same once more.  CPU is of the worker and Postgres; fsync and
synchronous_commit are on.  Scrapy with an upsert a page reads the same beside it; not with ``--no-peers``.
"""

from __future__ import annotations

import json
import subprocess
import time
from argparse import Namespace
from typing import Any

from sandbox.processes import Process
from tests.bench.bench_runs import Memory
from tests.support.bench_environment import (
    BenchEnvironment,
    arguments,
    bench_environment,
    parse,
    pss_mib,
    say,
    tree,
    tree_cpu,
)
from tests.support.bench_peers import SCRIPTS, NoPeer, database, install
from tests.support.bench_threads import Shops, new_runs


def add_shops(bench: BenchEnvironment, shops: Shops, given: Namespace) -> None:
    from tasks.listings import head_fi

    for shop in range(given.shops + 1):
        name = f"shop_{shop}"
        bench.sql.execute(
            "insert into upstream (name, base_url, concurrency, spacing) values (%s, %s, 10, '0')",
            (name, f"{shops.url}/s{shop}"),
        )
        bench.sql.execute(
            "insert into site (name, upstream, title, selectors, id_pattern, page_pause)"
            " values (%s, %s, %s, %s, %s, '0')",
            (name, name, name, json.dumps(head_fi.SELECTORS), head_fi.ID_PATTERN),
        )
        bench.sql.execute(
            "insert into category (site, external_id, slug, title, path, scraped)"
            " select %s, n::text, 'c' || n, 'c' || n, '/c' || n || '/', true from generate_series(1, %s) n",
            (name, given.categories),
        )


def over(bench: BenchEnvironment, ids: list[str]) -> bool:
    ended = "select count(*) from run where id = any(%s::uuid[]) and finished_at is not null"
    return bool(bench.value(ended, ids) == len(ids))


def warm(bench: BenchEnvironment, shops: Shops, processes: int) -> None:
    """Both processes have imported all: shop 0, which is not counted, is read once."""
    options = {"site": "shop_0", "max_pages": 1, "thorough": True}
    for _ in range(2 * processes):
        ids = new_runs(bench, "tasks.listings.scrape", "listings", [options])
        bench.until(lambda ids=ids: over(bench, ids))
    shops.seen()


def measure(
    bench: BenchEnvironment, worker: Process, shops: Shops, given: Namespace, what: str
) -> None:
    """Read all shops by a worker, as beat's doorbells make it; from the first row to the last end."""
    options: list[dict[str, Any]] = [
        {"site": f"shop_{shop}", "max_pages": given.pages, "thorough": True}
        for shop in range(1, given.shops + 1)
    ]
    memory = Memory(worker)
    memory.start()
    own, server, began = tree_cpu(worker.pid), bench.postgres_cpu(), time.monotonic()
    ids = new_runs(bench, "tasks.listings.scrape", "listings", options)
    bench.until(lambda: over(bench, ids), within=600, every=0.05)
    seconds = time.monotonic() - began
    own, server = tree_cpu(worker.pid) - own, bench.postgres_cpu() - server
    pages, good = bench.sql.execute(
        "select sum((result -> 'counts' ->> 'pages')::int), count(*) filter (where state = 'succeeded')"
        " from run where id = any(%s::uuid[])",
        (ids,),
    ).fetchall()[0]
    wanted = given.shops * given.categories * given.pages
    assert (pages, good) == (wanted, given.shops), f"{pages} pages, {good} runs succeeded"
    say(
        what,
        processes=given.processes,
        slots=given.slots,
        pages=pages,
        pages_a_second=pages / seconds,
        most_in_flight=shops.seen()["most"],
        memory_mib=memory.stop(),
        cpu_ms_a_page=1000 * (own + server) / pages,
        process_ms=1000 * own / pages,
        postgres_ms=1000 * server / pages,
    )


def measure_scrapy(bench: BenchEnvironment, shops: Shops, given: Namespace) -> None:
    python = install(bench, "scrapy")
    dsn = database(bench, "scrapy")
    sizes = [str(size) for size in (given.shops, given.categories, given.pages, 64)]
    with (bench.folder / "scrapy.log").open("w") as log:
        peer = subprocess.Popen(
            [python, SCRIPTS / "scrapy_peer.py", dsn, shops.url, *sizes],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=bench.folder,
        )  # fmt: skip
        assert peer.stdin is not None
        assert peer.stdout is not None
        try:
            if peer.stdout.readline().strip() != "ready":
                raise NoPeer((bench.folder / "scrapy.log").read_text()[-300:])
            shops.seen()
            own, server = tree_cpu(peer.pid), bench.postgres_cpu()
            peer.stdin.write("go\n")
            peer.stdin.flush()
            word, pages, seconds = peer.stdout.readline().split()
            say(
                "peer_pages",
                peer="scrapy",
                pages=int(pages),
                pages_a_second=int(pages) / float(seconds),
                most_in_flight=shops.seen()["most"],
                memory_mib=pss_mib(tree(peer.pid)),
                process_ms=1000 * (tree_cpu(peer.pid) - own) / int(pages),
                postgres_ms=1000 * (bench.postgres_cpu() - server) / int(pages),
            )
            assert word == "done"
        finally:
            peer.kill()
            peer.wait()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--shops", type=int, default=40)
    parser.add_argument("--categories", type=int, default=2, help="categories of a shop")
    parser.add_argument("--pages", type=int, default=10, help="pages of a category")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long a shop takes for a page")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--slots", type=int, default=40, help="slots of a process")
    parser.add_argument("--no-peers", action="store_true", help="without Scrapy beside")
    given = parse(parser)
    with bench_environment(durable=True) as bench:
        shops = Shops(bench, given.seconds, given.pages)
        add_shops(bench, shops, given)
        bench.beat()
        worker = bench.worker(given.processes, given.slots, app="workers.app", queue="listings")
        warm(bench, shops, given.processes)
        measure(bench, worker, shops, given, "pages_new")
        measure(bench, worker, shops, given, "pages_again")
        worker.stop()
        if not given.no_peers:
            try:
                measure_scrapy(bench, shops, given)
            except NoPeer as error:
                say("peer_left_out", peer="scrapy", because=str(error))


if __name__ == "__main__":
    main()
