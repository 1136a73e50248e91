"""The parts of the system on this machine: started in order, watched, stopped in reverse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from sandbox.postgres import USER, PostgresServer
from sandbox.processes import NotStarted, Process, free_port, is_taken, wait_until
from sandbox.upstreams.alpha_vantage import KEY
from sandbox.valkey import ValkeyServer

ROOT = Path(__file__).parents[1]
UPSTREAMS = ("dexscreener", "alpha_vantage", "head_fi")
#: Worker groups: scrapes have processes of their own, so they never hold every slot.
WORKERS = {"fast": "discovery,prices,notices,upkeep", "scrape": "listings"}
#: Ports of ``run``; ``exec`` and tests use free ones.
PORTS = {"postgres": 54329, "valkey": 63799, "flower": 5555, "dexscreener": 18081,
         "alpha_vantage": 18082, "head_fi": 18083}  # fmt: skip
#: Pause before a part that died is started again, doubled up to the longest (seconds).
RESTART, LONGEST_RESTART = 0.5, 15.0


def answers(url: str) -> bool:
    """Whether an address answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@dataclass(slots=True)
class Part:
    """One supervised process."""

    name: str
    process: Process
    ready: Callable[[], bool]
    stop_signal: int = signal.SIGTERM
    grace: float = 5.0
    restarts: int = 0
    again_at: float = 0.0


@dataclass
class House:
    """Everything that runs, and where."""

    data: Path
    ports: dict[str, int]
    fast: bool = False
    faults: str = "none"
    say: Callable[[str], None] = print
    parts: list[Part] = field(default_factory=list)
    postgres: PostgresServer = field(init=False)
    valkey: ValkeyServer = field(init=False)
    _servers: list[PostgresServer | ValkeyServer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.postgres = PostgresServer(self.data, self.ports["postgres"], fast=self.fast)
        self.valkey = ValkeyServer(self.data / "valkey", self.ports["valkey"], durable=not self.fast)

    @classmethod
    def temporary(cls, folder: Path, say: Callable[[str], None]) -> House:
        """A house on free ports that may lose everything."""
        return cls(folder, {name: free_port() for name in PORTS}, fast=True, say=say)

    @property
    def env(self) -> dict[str, str]:
        """What a program needs to use this house: our settings and libpq's variables."""
        return {
            "WATCHKEEPER_DATABASE_URL": self.postgres.url(),
            "WATCHKEEPER_BROKER_URL": self.valkey.url,
            "WATCHKEEPER_ALPHA_VANTAGE_API_KEY": KEY,
            "WATCHKEEPER_RELAX_INTERVALS": "true",
            "WATCHKEEPER_HEARTBEAT_DIR": str(self.data / "heartbeats"),
            "CELERY_APP": "workers.app",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.ports["postgres"]),
            "PGUSER": USER,
            "PGPASSWORD": self.postgres.password,
            "PGDATABASE": USER,
        }

    def check_ports(self, names: Iterable[str]) -> None:
        """NotStarted when somebody has one of our ports."""
        for name in names:
            if is_taken(self.ports[name]):
                raise NotStarted(
                    f"port {self.ports[name]} for {name} is taken; end what uses it, or give --port-base"
                )

    def start_services(self) -> None:
        """Postgres, Valkey, migrations."""
        self.check_ports(("postgres", "valkey"))
        self.postgres.start()
        self._servers.append(self.postgres)
        self.say(f"postgres   ready on port {self.ports['postgres']}")
        self.valkey.start()
        self._servers.append(self.valkey)
        self.say(f"valkey     ready on port {self.ports['valkey']}")
        done = subprocess.run(
            [sys.executable, "-m", "workers.migrate"], cwd=ROOT, env={**os.environ, **self.env},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise NotStarted(f"migrate ended with status {done.returncode}:\n{done.stderr[-2000:]}")
        self.say("migrate    done")

    def start_upstreams(self) -> None:
        """The imitations, and the rows that point to them."""
        self.check_ports(UPSTREAMS)
        for name in UPSTREAMS:
            port = self.ports[name]
            log = self.data / "upstreams" / f"{name}.jsonl"
            log.parent.mkdir(exist_ok=True)
            self._start(
                name,
                [sys.executable, "-m", "sandbox.upstreams", name, "--port", str(port), "--log", str(log),
                 "--faults", self.faults],
                lambda port=port: answers(f"http://127.0.0.1:{port}/_ready"),  # type: ignore[misc]
                grace=2.0,
            )  # fmt: skip
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            for name in UPSTREAMS:
                connection.execute(
                    "update upstream set base_url = %s where name = %s",
                    (f"http://127.0.0.1:{self.ports[name]}", name),
                )
            # The imitation allows 75 calls a minute where a free key has 25 a day.
            connection.execute(
                "update quota set per = '1 minute', calls = 60 where upstream = 'alpha_vantage'"
            )
            connection.execute("update upstream set spacing = '0' where name = 'alpha_vantage'")
            connection.execute("update upstream set spacing = '0.2 s' where name = 'head_fi'")
            connection.execute("update quota set calls = 55 where upstream = 'head_fi'")
        self.say(f"upstreams  {', '.join(UPSTREAMS)} (imitations)")

    def start_system(self, beats: int, workers: dict[str, str], *, flower: bool) -> None:
        """Beats, workers and Flower; returns when each has proved its use."""
        celery = [sys.executable, "-m", "celery", "-A", "workers.app"]
        for number in range(1, beats + 1):
            name = f"beat{number}"
            self._start(
                name,
                [*celery, "beat", "-n", f"{name}@%h"],
                lambda number=number: self._beating("beat", number),  # type: ignore[misc]
                wait=False,
            )
        for number, (name, queues) in enumerate(workers.items(), 1):
            self._start(
                name,
                [*celery, "worker", "-Q", queues, "-n", f"{name}@%h", "--autoscale=4,1", "-O", "fair",
                 "--without-gossip", "--without-mingle"],
                lambda number=number: self._beating("worker", number),  # type: ignore[misc]
                grace=8.0,
                wait=False,
            )  # fmt: skip
        if flower:
            self.check_ports(("flower",))
            port = self.ports["flower"]
            self._start(
                "flower",
                [*celery, "flower", "--address=127.0.0.1", f"--port={port}"],
                lambda: answers(f"http://127.0.0.1:{port}/healthcheck"),
                grace=3.0,
                wait=False,
            )
        for part in self.parts:
            wait_until(part.ready, part.process, part.name, 90.0)
        self.say(
            f"system     {beats} beats, workers {', '.join(workers)}" + (", flower" if flower else "")
        )

    def _beating(self, role: str, number: int) -> bool:
        folder = self.data / "heartbeats"
        fresh = [p for p in folder.glob(f"{role}*") if time.time() - p.stat().st_mtime < 20]
        return len(fresh) >= number

    def _start(
        self,
        name: str,
        command: list[str],
        ready: Callable[[], bool],
        *,
        grace: float = 5.0,
        wait: bool = True,
    ) -> None:
        process = Process(command, log=self.data / "logs" / f"{name}.log", env=self.env, cwd=ROOT)
        process.start()
        part = Part(name, process, ready, grace=grace)
        self.parts.append(part)
        if wait:
            wait_until(ready, process, name, 60.0)

    def watch(self) -> None:
        """Start again what has died, later each time."""
        for server in self._servers:
            if server.process is not None and not server.process.running:
                self.say(f"{type(server).__name__} ended; starting it again")
                server.start()
        for part in self.parts:
            if part.process.running:
                continue
            if part.again_at == 0.0:
                pause = min(RESTART * 2**part.restarts, LONGEST_RESTART)
                part.again_at = time.monotonic() + pause
                self.say(f"{part.name} ended with status {part.process.status}; again in {pause:.1f} s")
            elif time.monotonic() >= part.again_at:
                part.again_at, part.restarts = 0.0, part.restarts + 1
                part.process.start()

    def stop(self) -> None:
        """End everything in reverse order: beats and workers first, Postgres last."""
        for part in self.parts:
            part.process.send(part.stop_signal)
        for part in reversed(self.parts):
            part.process.wait(part.grace)
            part.process.stop(signal.SIGKILL, 1.0)
        self.parts.clear()
        for server in reversed(self._servers):
            server.stop()
        self._servers.clear()

    def force(self) -> None:
        """End everything at once."""
        for part in self.parts:
            part.process.stop(signal.SIGKILL, 0.5)
        for server in reversed(self._servers):
            server.kill()
            server.stop()
