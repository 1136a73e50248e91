"""CPU and time of commands: medians of five, of `watchkeeper` and of `celery -A workers.app`."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.bench_environment import ROOT, BenchEnvironment, bench_environment, say

TIMES = 5
READING = (
    "schedule list",
    "schedule status",
    "schedule runs",
    "schedule show s-1",
    "prices quotes",
    "listings list",
    "notify outbox",
    "watch found listing",
    "doctor",
)
PROGRAMS = {
    "watchkeeper": ["-c", "from workers.cli.main import main; main()"],
    "celery": ["-m", "celery", "-A", "workers.app"],
}
#: The least that any of them can cost.
FLOORS = {
    "psycopg, click and rich": "import psycopg, click, rich.console, rich.table",
    "celery.bin.celery": "import celery.bin.celery",
}


def measured(arguments: list[str], env: dict[str, str] | None = None) -> tuple[float, float]:
    """Seconds of CPU and of time of one Python process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - began


def tell(what: str, program: str, arguments: list[str], env: dict[str, str] | None = None) -> None:
    found = [measured(arguments, env) for _ in range(TIMES)]
    cpu, seconds = (statistics.median(each) for each in zip(*found, strict=True))
    say("cli", program=program, command=what, cpu_seconds=cpu, seconds=seconds)


def fill(bench: BenchEnvironment) -> None:
    bench.load(20, "interval '1 hour'")
    bench.sql.execute(
        "insert into run (id, schedule, task, trigger, due_at, state, finished_at, queue)"
        " select gen_random_uuid(), 's-' || n % 20 + 1, 'tests.noop', 'schedule', now() - n * interval '1 s', 'succeeded', now(), 'upkeep'"
        " from generate_series(1, 2000) n"
    )


def main() -> None:
    with bench_environment() as bench, tempfile.TemporaryDirectory() as cache:
        fill(bench)
        for floor, program in FLOORS.items():
            tell(floor, "floor", ["-c", program])
        for words in READING:
            for program, start in PROGRAMS.items():
                if Path(ROOT / "workers" / "cli").exists() or program == "celery":
                    tell(words, program, [*start, *words.split()])
        for program, start in PROGRAMS.items():
            env = {f"_{program.upper()}_COMPLETE": "bash_complete", "XDG_CACHE_HOME": cache,
                   "COMP_WORDS": f"{program} schedule show ", "COMP_CWORD": "3"}  # fmt: skip
            measured(start, env)
            tell("completion of a name", program, start, env)


if __name__ == "__main__":
    main()
