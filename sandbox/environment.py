"""The parts of a sandbox and their settings: servers, imitation upstreams, beats, workers, Flower."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from sandbox import web
from sandbox.places import CHECKOUT, DEPLOY
from sandbox.ports import free_ports, is_taken
from sandbox.postgres import MAX_SHUTDOWN, USER, PostgresServer, login_name
from sandbox.processes import NotStarted, Process
from sandbox.supervisor import Part, Supervisor
from sandbox.upstreams.alpha_vantage import KEY
from sandbox.valkey import ValkeyServer
from tasks.watches.registry import by_domain
from workers.installation.installed import REFUSED
from workers.installation.queues import OWN_QUEUES
from workers.settings import BROWSER_QUEUE

#: What the watches bring, by name of the upstream.
IMITATIONS = {one.upstream: one for watch in by_domain().values() for one in watch.imitations}
UPSTREAMS = (*IMITATIONS, "discord")
#: Targets of demo notices: a webhook of the imitation, and a mailbox file.
WEBHOOK = "https://discord.com/api/webhooks/1/sandbox-token-of-nobody"
MAILBOX = "mailbox"


#: A worker group for pages that scripts draw: a Chromium a process, one batch at a time.
BROWSERS = "browser"


def worker_groups() -> dict[str, str]:
    groups: dict[str, list[str]] = {"fast": [*OWN_QUEUES]}
    for watch in by_domain().values():
        groups.setdefault(watch.workers, []).append(watch.queue)
    return {name: ",".join(queues) for name, queues in groups.items()}


#: Ports of ``run``; ``exec`` and tests use free ones.
PORTS = {"postgres": 54329, "valkey": 63799, "flower": 5555, "console": 8080, "discord": 18085, "smtp": 18086,
         "smtp_control": 18087, "metrics_fast": 18091, "metrics_scrape": 18092, "metrics_beat1": 18093,
         "metrics_beat2": 18094, **{name: one.port for name, one in IMITATIONS.items()}}  # fmt: skip
#: Stages of stopping, the highest first: beats and workers, then what they use, Postgres last.
POSTGRES, VALKEY, UPSTREAM, FLOWER, SYSTEM, CONSOLE = range(6)
CELERY = (sys.executable, "-m", "celery", "-A", "workers.app")
#: A process with an older heartbeat file is not ready (seconds).
MAX_AGE = 20.0


@dataclass
class Environment:
    data: Path
    ports: dict[str, int]
    fast: bool = False
    faults: str = "none"
    say: Callable[[str], None] = print
    supervisor: Supervisor = field(init=False)
    postgres: PostgresServer = field(init=False)
    valkey: ValkeyServer = field(init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.say)
        self.postgres = PostgresServer(self.data, self.ports["postgres"], fast=self.fast)
        self.valkey = ValkeyServer(self.data / "valkey", self.ports["valkey"], durable=not self.fast)

    @classmethod
    def temporary(cls, folder: Path, say: Callable[[str], None]) -> Environment:
        return cls(folder, free_ports(list(PORTS)), fast=True, say=say)

    @property
    def env(self) -> dict[str, str]:
        """Settings and libpq's variables for programs that use this environment."""
        return {
            "WATCHKEEPER_DATABASE_URL": self.postgres.login("service"),
            "WATCHKEEPER_BROKER_URL": self.valkey.url,
            "WATCHKEEPER_ALPHA_VANTAGE_API_KEY": KEY,
            "WATCHKEEPER_CHANNEL_DEMO": WEBHOOK,
            "WATCHKEEPER_RELAX_INTERVALS": "true",
            "WATCHKEEPER_HEARTBEAT_DIR": str(self.data / "heartbeats"),
            "CELERY_APP": "workers.app",
            "PSQLRC": str(DEPLOY / "psqlrc"),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.ports["postgres"]),
            "PGUSER": login_name("operator"),
            "PGPASSWORD": self.postgres.passwords["operator"],
            "PGDATABASE": USER,
        }

    @property
    def cwd(self) -> Path:
        return CHECKOUT or self.data

    @property
    def path(self) -> str:
        return os.pathsep.join(
            [str(Path(sys.executable).parent), str(self.postgres.bin), os.environ.get("PATH", "")]
        )

    def check_ports(self, names: Iterable[str]) -> None:
        taken = [name for name in names if is_taken(self.ports[name])]
        if taken:
            each = ", ".join(f"port {self.ports[name]} for {name} is taken" for name in taken)
            raise NotStarted(f"{each}; end what uses it, or choose others with --port-base")

    def start(
        self,
        beats: int,
        workers: dict[str, str],
        *,
        flower: bool,
        console: bool = False,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """Start all parts; ``prepare`` runs after the migrations, before beats and workers start.

        NotStarted says which part failed, and why.
        """
        left_out = {"flower": not flower, "console": not console}
        self.check_ports(name for name in PORTS if not left_out.get(name))
        self._serve("postgres", self.postgres, POSTGRES, signal.SIGINT, grace=MAX_SHUTDOWN)
        self._serve("valkey", self.valkey, VALKEY, signal.SIGTERM, grace=0.5)
        self._launch_upstreams()
        if flower:
            web.launch_flower(self, [*CELERY], FLOWER)
        self.migrate()
        with psycopg.connect(self.postgres.login("owner"), autocommit=True) as connection:
            self._point_to_imitations(connection)
        prepare()
        self._launch_system(beats, workers)
        if console:
            web.launch_console(self, CONSOLE)
        self.supervisor.wait_ready()
        self.say(f"upstreams  {', '.join(UPSTREAMS)}, mail (imitations)")
        parts = sorted(self.supervisor.parts, key=lambda part: part.stage != CONSOLE)
        started = [part.name for part in parts if part.stage > UPSTREAM]
        if started:
            self.say(f"system     {', '.join(started)}")

    def migrate(self) -> None:
        """Run the migrations; a database of another version is replaced."""
        began = time.monotonic()
        done = self._run_migrate()
        if done.returncode == REFUSED:
            self.say("migrate    the data is of another version: starting afresh")
            self.postgres.recreate()
            done = self._run_migrate()
        if done.returncode:
            raise NotStarted(f"migrate ended with status {done.returncode}:\n{done.stdout[-2000:]}")
        self.say(f"migrate    done in {time.monotonic() - began:.1f} s")

    def _run_migrate(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "workers.migrate"], cwd=self.cwd,
            env={**os.environ, **self.env, **self.postgres.migrate_env()},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip

    def _serve(
        self,
        name: str,
        server: PostgresServer | ValkeyServer,
        stage: int,
        stop_signal: int,
        grace: float,
    ) -> None:
        try:
            server.start()
        finally:
            # One that did not get ready must be stopped, too.
            if server.process is not None:
                self.supervisor.add(
                    Part(name, server.process, server.answers, stage, stop_signal, grace)
                )
        self.say(f"{name:<10} ready on port {self.ports[name]}")

    def _launch_upstreams(self) -> None:
        for name in UPSTREAMS:
            module = IMITATIONS[name].module if name in IMITATIONS else name
            port = self.ports[name]
            log = self.data / "upstreams" / f"{name}.jsonl"
            log.parent.mkdir(exist_ok=True)
            self.launch(
                name,
                [sys.executable, "-m", "sandbox.upstreams", module, "--port", str(port), "--log", str(log),
                 "--faults", self.faults if name != "discord" else "none"],
                lambda port=port: web.answers(f"http://127.0.0.1:{port}/_ready"),  # type: ignore[misc]
                UPSTREAM,
                grace=0.5,
            )  # fmt: skip

        control = self.ports["smtp_control"]
        self.launch(
            "smtp",
            [sys.executable, "-m", "sandbox.upstreams", "smtp", "--port", str(self.ports["smtp"]),
             "--control-port", str(control), "--mailbox", str(self.data / MAILBOX)],
            lambda: web.answers(f"http://127.0.0.1:{control}/_ready"),
            UPSTREAM,
            grace=0.5,
        )  # fmt: skip

    def _point_to_imitations(self, connection: psycopg.Connection) -> None:
        """Set the addresses of upstreams to the imitations; limits only the first time."""
        connection.execute(
            "insert into allowed_network (network, note) values"
            " ('127.0.0.0/8', 'the sandbox''s own servers') on conflict do nothing"
        )
        is_new = connection.execute(
            "select 1 from upstream where name = any(%s) and base_url not like 'http://127.%%' limit 1",
            (list(IMITATIONS),),
        ).fetchone()
        for name in UPSTREAMS:
            connection.execute(
                "update upstream set base_url = %s where name = %s",
                (f"http://127.0.0.1:{self.ports[name]}", name),
            )
        connection.execute(
            "insert into upstream (name, base_url, note) values ('mail', %s, 'the sandbox''s mail server')"
            " on conflict (name) do update set base_url = excluded.base_url",
            (f"smtp://127.0.0.1:{self.ports['smtp']}",),
        )
        if is_new:
            for imitation in IMITATIONS.values():
                for statement in imitation.setup:
                    connection.execute(statement.encode())

    def launch_browsers(self, undrawn: Sequence[str]) -> None:
        """Start their worker group once something needs it, where Chromium is."""
        if not undrawn or any(part.name == BROWSERS for part in self.supervisor.parts):
            return
        from workers.upstreams import browser

        if browser.is_here():
            self.say(f"browsers   start for {', '.join(undrawn)}")
            self._launch_worker(BROWSERS, BROWSER_QUEUE, "--autoscale=2,1", "--slots=1")

    def _launch_worker(self, name: str, queues: str, *options: str) -> None:
        self.launch(
            name,
            [*CELERY, "worker", "-Q", queues, "-n", f"{name}@%h", *options, "-O", "fair",
             "--without-gossip", "--without-mingle"],
            self._has_heartbeat(f"worker-{name}"),
            SYSTEM,
            grace=4.0,
        )  # fmt: skip

    def _launch_system(self, beats: int, workers: dict[str, str]) -> None:
        for name, queues in workers.items():
            self._launch_worker(name, queues, "--autoscale=4,1")
        for name in (f"beat{number}" for number in range(1, beats + 1)):
            ready = self._has_heartbeat(f"beat-{name}")
            self.launch(name, [*CELERY, "beat", "-n", f"{name}@%h"], ready, SYSTEM, grace=4.0)

    def _has_heartbeat(self, name: str) -> Callable[[], bool]:
        folder = self.data / "heartbeats"
        return lambda: any(
            time.time() - path.stat().st_mtime < MAX_AGE for path in folder.glob(f"{name}@*")
        )

    def launch(
        self,
        name: str,
        command: list[str],
        ready: Callable[[], bool],
        stage: int,
        grace: float,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        env, metrics = {**self.env, **(settings or {})}, self.ports.get(f"metrics_{name}")
        if metrics is not None:
            env["WATCHKEEPER_METRICS_PORT"] = str(metrics)
        process = Process(command, log=self.data / "logs" / f"{name}.log", env=env, cwd=self.cwd)
        process.start()
        self.supervisor.add(Part(name, process, ready, stage, grace=grace))

    def stop(self) -> None:
        self.supervisor.stop()
        self.postgres.forget_places()
