"""docker-compose.yml at work: each service's command and health check, run here as local processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from sandbox.ports import free_port
from sandbox.processes import Process
from sandbox.valkey import binary

ROOT = Path(__file__).parents[2]
SERVICES = yaml.load((ROOT / "docker-compose.yml").read_text(), yaml.CSafeLoader)["services"]
OURS = [name for name, service in SERVICES.items() if "watchkeeper" in service["image"]]


#: Flower has no database.
NOBODY = "postgresql://nobody@127.0.0.1:1/none"


def local(command: list[str]) -> list[str]:
    """The command as this machine runs it."""
    programs = {"python": [sys.executable], "celery": [sys.executable, "-m", "celery"]}
    return [*programs[command[0]], *command[1:]]


class Stack:
    """Our services as processes: the commands, the environment and the checks are those of the file."""

    def __init__(self, folder: Path, database: str, broker: str, migrate: dict[str, str]) -> None:
        self.folder, self.port, self.console_port = folder, free_port(), free_port()
        self.metrics = {name: free_port() for name in OURS}
        self.processes: dict[str, Process] = {}
        self._secrets = {"WATCHKEEPER_DATABASE_URL": database, "WATCHKEEPER_BROKER_URL": broker}
        self._migrate = migrate
        self._console = migrate["WATCHKEEPER_CONSOLE_DATABASE_URL"]

    def env(self, name: str) -> dict[str, str]:
        said = {
            key: str(value)
            for key, value in SERVICES[name]["environment"].items()
            if not str(value).startswith("${")
        }
        return {
            **said,
            **self._secrets,
            **(self._migrate if name == "migrate" else {}),
            **({"WATCHKEEPER_DATABASE_URL": NOBODY} if name == "flower" else {}),
            **({"WATCHKEEPER_DATABASE_URL": self._console} if name == "console" else {}),
            "WATCHKEEPER_HEARTBEAT_DIR": str(self.folder / name),
            "WATCHKEEPER_METRICS_PORT": str(self.metrics[name]),
            "FLOWER_BASIC_AUTH": "operator:secret",
            "FLOWER_PORT": str(self.port),
        }

    def run(self, name: str, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            local(words), cwd=ROOT, env={**os.environ, **self.env(name)}, capture_output=True, text=True
        )

    def start(self, name: str) -> None:
        words = [
            word.replace("0.0.0.0", "127.0.0.1")
            .replace("5555", str(self.port))
            .replace("8080", str(self.console_port))
            for word in SERVICES[name]["command"]
        ]
        log = self.folder / f"{name}.log"
        self.processes[name] = Process(local(words), log=log, env=self.env(name), cwd=ROOT)
        self.processes[name].start()

    def healthy(self, name: str) -> bool:
        kind, *check = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        words = [
            word.replace(":5555/", f":{self.port}/").replace(":8080/", f":{self.console_port}/")
            for word in check
        ]
        return self.run(name, words).returncode == 0

    def log(self, name: str) -> list[str]:
        return self.processes[name].log.read_text().splitlines()


@pytest.fixture
def stack(database: Any, postgres_server: Any, broker_url: str, tmp_path: Path) -> Iterator[Stack]:
    migrate = postgres_server.migrate_env(database.name)
    made = Stack(tmp_path, database.url, broker_url, migrate)
    yield made
    for process in made.processes.values():
        process.kill()


def not_json(lines: list[str]) -> list[str]:
    """Lines that are no JSON object with an event, a level and a time."""
    wrong = []
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            wrong.append(line)
            continue
        if not isinstance(told, dict) or not told.keys() >= {"event", "level", "timestamp"}:
            wrong.append(line)
    return wrong


@pytest.mark.outside(30)
@pytest.mark.timeout(300)
def test_every_command_comes_up_is_healthy_and_logs_json_alone_from_its_start_to_its_end(
    stack: Stack, eventually: Callable[..., object]
) -> None:
    migrated = stack.run("migrate", SERVICES["migrate"]["command"])
    assert migrated.returncode == 0, migrated.stderr
    assert not_json((migrated.stdout + migrated.stderr).splitlines()) == []
    for name in OURS:
        if name != "migrate":
            stack.start(name)

    for name, process in stack.processes.items():
        eventually(lambda name=name: stack.healthy(name), within=120, every=0.5)
        assert process.running, process.tail()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{stack.port}/", timeout=5)
    for name in set(stack.processes) - {"flower", "console"}:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{stack.metrics[name]}/metrics", timeout=5
        ) as told:
            assert b"process_resident_memory_bytes" in told.read(), name

    for process in stack.processes.values():
        process.send(15)
    for name, process in stack.processes.items():
        eventually(lambda process=process: not process.running, within=60)
        assert len(stack.log(name)) >= 2, name
        assert not_json(stack.log(name)) == [], name


@pytest.mark.outside(6)
def test_redis_takes_its_password_from_the_file_and_shows_it_in_no_process_list(
    tmp_path: Path, eventually: Callable[..., object]
) -> None:
    for name in ("Makefile", "deploy"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    subprocess.run(["make", "env"], cwd=tmp_path, check=True, capture_output=True)
    conf = tmp_path / "secrets" / "redis.conf"
    password = conf.read_text().split()[1]
    words = [
        word.replace("/run/secrets/redis.conf", str(conf)) for word in SERVICES["redis"]["command"]
    ]
    port = free_port()
    process = Process(
        [str(binary()), *words[1:], "--port", str(port), "--dir", str(tmp_path)],
        log=tmp_path / "redis.log",
    )
    process.start()
    try:
        client = redis.Redis(port=port, password=password)
        eventually(lambda: answers(client), within=30)
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()
        listed = process_list()
        assert str(conf) in listed
        assert password not in listed
        kind, check = SERVICES["redis"]["healthcheck"]["test"]
        read = check.replace("$$", "$").replace("/run/secrets/redis.conf", str(conf))
        shown = subprocess.run(
            ["sh", "-c", read.replace("redis-cli ping", "printenv REDISCLI_AUTH").partition(" |")[0]],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert (kind, shown.stdout.strip()) == ("CMD-SHELL", password)
    finally:
        process.stop(grace=5)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def process_list() -> str:
    """The command lines of every process, whole."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)
