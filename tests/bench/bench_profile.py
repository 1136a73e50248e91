"""Where the CPU of a run that does nothing goes, and that of a page of 20 ads: by function and by statement.

Of the worker's processes by a profile on the threads' own CPU clocks, which slows them: shares, not times.
Of Postgres by pg_stat_statements: calls, milliseconds and rows a run.
"""

from __future__ import annotations

import pstats
import re
import sysconfig
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import Any

from tests.bench.bench_pages import add_shops, over
from tests.support.bench_environment import (
    ROOT,
    BenchEnvironment,
    arguments,
    bench_environment,
    parse,
    say,
    tree_cpu,
)
from tests.support.bench_threads import Shops, new_runs

SITE = Path(sysconfig.get_paths()["purelib"])
STATEMENTS = """
select regexp_replace(query, '\\s+', ' ', 'g') as query, calls, total_exec_time + total_plan_time as ms, rows
  from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())
   and userid = 'watchkeeper_service'::regrole
 order by 3 desc
"""


def with_statements(bench: BenchEnvironment) -> None:
    bench.sql.execute("alter system set shared_preload_libraries = 'pg_stat_statements'")
    bench.sql.execute("alter system set pg_stat_statements.track_planning = on")
    bench.crash_postgres()
    bench.sql.execute("create extension if not exists pg_stat_statements")


def place(file: str) -> str:
    """Where a function stands: a package of ours, or a library."""
    path = Path(file)
    if path.is_relative_to(SITE):
        return path.relative_to(SITE).parts[0].removesuffix(".py")
    if path.is_relative_to(ROOT):
        return "/".join(path.relative_to(ROOT).parts[:2]).removesuffix(".py")
    return "builtins" if file == "~" else "standard library"


def say_functions(folder: Path, what: str, most: int) -> None:
    """Of the CPU, the share of each package, and of the functions that use most themselves."""
    files = sorted(folder.glob("*.prof"))
    stats = pstats.Stats(str(files[0]))
    stats.add(*map(str, files[1:]))
    found: dict[Any, Any] = stats.stats  # type: ignore[attr-defined]
    whole = sum(own for _, _, own, _, _ in found.values())
    places: Counter[str] = Counter()
    for (file, _, _), (_, _, own, _, _) in found.items():
        places[place(file)] += own
    for name, own in places.most_common(most):
        say(f"{what}_package", package=name, percent=100 * own / whole)
    own_most = sorted(found.items(), key=lambda one: -one[1][2])
    for (file, line, name), (_, calls, own, _, _) in own_most[:most]:
        where = f"{place(file)} {Path(file).name}:{line}" if file != "~" else "builtin"
        say(f"{what}_function", function=f"{where} {name}", calls=calls, percent=100 * own / whole)


def say_statements(bench: BenchEnvironment, what: str, number: int, most: int) -> None:
    for query, calls, ms, rows in bench.sql.execute(STATEMENTS).fetchall()[:most]:
        said = re.sub(r"^ ?", "", query)[:110]
        say(
            f"{what}_statement", statement=said, calls_each=calls / number, ms_each=ms / number,
            rows_each=rows / number,
        )  # fmt: skip


def measure(
    bench: BenchEnvironment, what: str, task: str, queue: str, options: list[dict[str, Any]], number: int,
    given: Namespace,
) -> None:  # fmt: skip
    """So many runs by a worker that profiles itself; ``number`` runs or pages are counted."""
    folder = bench.folder / what
    folder.mkdir()
    worker = bench.program(
        what, "celery", "-A", "tests.support.profiled", "worker", "-Q", queue, "-n", f"{what}@bench", "-c", "2",
        "--slots", "16", "-O", "fair", "--without-gossip", "--without-mingle", PROFILE=str(folder),
    )  # fmt: skip
    bench.until(lambda: bench.value("select count(*) from heartbeat where name = %s", f"{what}@bench"))
    bench.sql.execute("select pg_stat_statements_reset()")
    own, server = tree_cpu(worker.pid), bench.postgres_cpu()
    ids = new_runs(bench, task, queue, options)
    bench.until(lambda: over(bench, ids), within=300, every=0.1)
    own, server = tree_cpu(worker.pid) - own, bench.postgres_cpu() - server
    say(
        f"{what}_profiled",
        number=number,
        process_ms=1000 * own / number,
        postgres_ms=1000 * server / number,
    )
    say_statements(bench, what, number, given.most)
    # A session that has nothing in hand ends, and writes its profile.
    bench.until(lambda: len(list(folder.glob("*.prof"))) >= 1)
    worker.stop()
    say_functions(folder, what, given.most)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--shops", type=int, default=20)
    parser.add_argument("--categories", type=int, default=2)
    parser.add_argument("--pages", type=int, default=5, help="pages of a category")
    parser.add_argument("--most", type=int, default=15, help="lines of each table")
    given = parse(parser)
    with bench_environment(durable=True) as bench:
        with_statements(bench)
        bench.register_kinds()
        bench.beat()
        measure(bench, "run", "tests.noop_kind", "upkeep", [{}] * given.runs, given.runs, given)
        shops = Shops(bench, 0.05, given.pages)
        add_shops(bench, shops, given)
        sites: list[dict[str, Any]] = [
            {"site": f"shop_{shop}", "max_pages": given.pages, "thorough": True}
            for shop in range(1, given.shops + 1)
        ]
        pages = given.shops * given.categories * given.pages
        measure(bench, "page", "tasks.listings.scrape", "listings", sites, pages, given)


if __name__ == "__main__":
    main()
