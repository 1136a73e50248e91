"""docker-compose.yml: each service's command and health check, run here as local processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.processes import Process, free_port

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
OURS = [
    name
    for name, service in SERVICES.items()
    if "WATCHKEEPER_DATABASE_URL" in service.get("environment", {})
]


def local(command: list[str]) -> list[str]:
    """The command as this machine runs it."""
    programs = {"python": [sys.executable], "celery": [sys.executable, "-m", "celery"]}
    return [*programs[command[0]], *command[1:]]


def test_a_missing_secret_stops_the_start_with_a_sentence() -> None:
    for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "FLOWER_PASSWORD"):
        uses = re.findall(r"\$\{" + name + r"[^}]*\}", TEXT)
        assert uses
        assert all(use.startswith("${" + name + ":?") and "make env" in use for use in uses)


def test_every_service_restarts_has_an_init_and_a_grace_period() -> None:
    for name, service in SERVICES.items():
        if name == "sql":
            continue
        assert service["init"] is True, name
        assert service["restart"], name
        if name != "migrate":
            assert service["stop_grace_period"], name
            assert service["healthcheck"]["test"], name


def test_flower_listens_on_loopback_only_and_redis_keeps_what_it_holds() -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["flower"]["ports"])
    assert "FLOWER_BASIC_AUTH" in SERVICES["flower"]["environment"]
    words = SERVICES["redis"]["command"]
    assert words[words.index("--appendonly") + 1] == "yes"
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"


def test_two_beats_and_every_queue_is_served() -> None:
    from workers.broker import QUEUES

    served: set[str] = set()
    for service in SERVICES.values():
        command = service.get("command", [])
        if "-Q" in command:
            served |= set(command[command.index("-Q") + 1].split(","))
    assert served == set(QUEUES)
    assert SERVICES["beat"]["deploy"]["replicas"] == 2


@pytest.mark.timeout(170)
def test_every_command_comes_up_and_passes_its_health_check(
    database: Any, broker_url: str, tmp_path: Path, eventually: Any
) -> None:
    port = free_port()
    started: dict[str, tuple[Process, dict[str, str]]] = {}
    try:
        for name in OURS:
            command = [
                word.replace("0.0.0.0", "127.0.0.1").replace("5555", str(port))
                for word in SERVICES[name]["command"]
            ]
            env = {
                "WATCHKEEPER_DATABASE_URL": database.url,
                "WATCHKEEPER_BROKER_URL": broker_url,
                "WATCHKEEPER_HEARTBEAT_DIR": str(tmp_path / name),
                "FLOWER_BASIC_AUTH": "operator:secret",
            }
            if name == "migrate":
                subprocess.run(
                    local(command), cwd=ROOT, env={**os.environ, **env}, check=True, capture_output=True
                )
                continue
            process = Process(local(command), log=tmp_path / f"{name}.log", env=env, cwd=ROOT)
            process.start()
            started[name] = (process, env)
        for name, (process, env) in started.items():
            kind, *check = SERVICES[name]["healthcheck"]["test"]
            assert kind == "CMD"
            words = [word.replace(":5555/", f":{port}/") for word in check]

            def healthy(words: list[str] = words, env: dict[str, str] = env) -> bool:
                done = subprocess.run(
                    local(words), cwd=ROOT, env={**os.environ, **env}, capture_output=True
                )
                return done.returncode == 0

            eventually(healthy, within=90, every=0.5)
            assert process.running, process.tail()
    finally:
        for process, _ in started.values():
            process.send(15)
        for process, _ in started.values():
            process.stop(grace=10)
