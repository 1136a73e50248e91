"""Other job runners on the bench's own Postgres, each in a virtual environment that is thrown away."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.support.bench_environment import BenchEnvironment, pss_mib, say, tree, tree_cpu

SCRIPTS = Path(__file__).parent / "peers"
#: Name → its package with what it needs besides.
PEERS = {
    "oban": ("oban", "psycopg[binary,pool]"),
    "awa": ("awa-pg",),
    "procrastinate": ("procrastinate", "psycopg[binary,pool]"),
    "scrapy": ("scrapy", "psycopg[binary]"),
}
RUNNERS = ("oban", "awa", "procrastinate")
#: Jobs at once: what makes the peers fastest.
SLOTS = 100
MAX_SECONDS = 600.0


class NoPeer(Exception):
    """A peer cannot be had here; the text says why."""


def install(bench: BenchEnvironment, name: str) -> Path:
    """The interpreter of an environment that holds the peer."""
    folder = bench.folder / f"peer-{name}"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    done = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q", *PEERS[name]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NoPeer((errors or [done.stderr[-300:]])[-1])
    return folder / "bin" / "python"


def database(bench: BenchEnvironment, name: str) -> str:
    bench.sql.execute(f"drop database if exists peer_{name} with (force)")
    bench.sql.execute(f"create database peer_{name}")
    return bench.postgres.url(f"peer_{name}")


def measure(bench: BenchEnvironment, name: str, python: Path, number: int, seconds: float) -> None:
    """``number`` jobs that are all there when the peer starts to work: one line of figures."""
    dsn = database(bench, name)
    if name == "awa":
        migrate = [python, "-m", "awa", "--database-url", dsn, "migrate"]
        subprocess.run(migrate, check=True, capture_output=True)
    log = (bench.folder / f"{name}.log").open("w")
    command = [python, SCRIPTS / f"{name}_peer.py", dsn, str(number), str(seconds), str(SLOTS)]
    peer = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=bench.folder
    )
    assert peer.stdin is not None
    assert peer.stdout is not None
    try:
        if peer.stdout.readline().strip() != "ready":
            raise NoPeer((bench.folder / f"{name}.log").read_text()[-300:])
        server, own, began = bench.postgres_cpu(), tree_cpu(peer.pid), time.monotonic()
        peer.stdin.write("go\n")
        peer.stdin.flush()
        if peer.stdout.readline().strip() != "done":
            raise NoPeer((bench.folder / f"{name}.log").read_text()[-300:])
        took = time.monotonic() - began
        say(
            "peer_noop" if seconds == 0 else "peer_200_ms",
            peer=name,
            n=number,
            runs_a_second=number / took,
            process_ms=1000 * (tree_cpu(peer.pid) - own) / number,
            postgres_ms=1000 * (bench.postgres_cpu() - server) / number,
            pss_mib=pss_mib(tree(peer.pid)),
        )
    finally:
        peer.kill()
        peer.wait()
        log.close()


def compare(bench: BenchEnvironment, noop: int, waiting: int) -> None:
    """Each peer with jobs that do nothing and with jobs that wait 200 ms; a reason where one cannot be had."""
    for name in RUNNERS:
        try:
            python = install(bench, name)
            measure(bench, name, python, noop, 0.0)
            if waiting:
                measure(bench, name, python, waiting, 0.2)
        except NoPeer as error:
            say("peer_left_out", peer=name, because=str(error))
