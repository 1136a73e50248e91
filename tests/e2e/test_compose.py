"""docker-compose.yml as text: what each service may do, keeps secret, and how it is scaled."""

from __future__ import annotations

import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from workers.installation.queues import queue_names

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
# Read by every process that collects the tests: the parser in C takes a tenth of the time.
COMPOSE = yaml.load(TEXT, yaml.CSafeLoader)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
#: What runs on: without the one shot and the console.
RUNNING = {name: service for name, service in SERVICES.items() if name not in {"migrate", "sql"}}
WORKERS = {name: one for name, one in SERVICES.items() if "worker" in one.get("command", [])}
OURS = {name: one for name, one in SERVICES.items() if "watchkeeper" in one["image"]}


def test_a_missing_env_file_stops_the_start_with_a_sentence() -> None:
    uses = re.findall(r"\$\{SECRETS_DIR:\?[^}]*\}", TEXT)

    assert len(uses) >= 2
    assert all("make env" in use for use in uses)


def test_every_service_restarts_has_an_init_and_a_grace_period() -> None:
    for name, service in RUNNING.items():
        assert service["init"] is True, name
        assert service["restart"] == "unless-stopped", name
        assert service["stop_grace_period"], name
        assert service["healthcheck"]["test"], name
    assert SERVICES["migrate"]["restart"].startswith("on-failure")


def test_a_service_that_is_ready_is_known_to_be_within_seconds() -> None:
    for name, service in RUNNING.items():
        check = service["healthcheck"]
        assert check["start_interval"] in {"1s", "2s"}, name
        assert check["start_period"], name


def test_two_beats_and_every_queue_is_served() -> None:
    from workers.installation.queues import queue_names
    from workers.settings import BROWSER_QUEUE

    served = [queue for one in WORKERS.values() for queue in one["command"][one["command"].index("-Q") + 1].split(",")]  # fmt: skip
    assert sorted(served) == sorted([*queue_names(), BROWSER_QUEUE])


def test_what_listens_does_so_on_loopback_only_and_redis_keeps_what_it_holds() -> None:
    open_ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert open_ports.keys() == {"console", "flower", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in open_ports.values() for port in ports)
    words = SERVICES["redis"]["command"]
    assert words[words.index("--appendonly") + 1] == "yes"
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"


@pytest.mark.outside(29)
def test_one_service_builds_and_the_others_take_its_image() -> None:
    assert [name for name, service in SERVICES.items() if "build" in service] == ["migrate"]
    assert len({service["image"] for service in OURS.values()}) == 1
    for name in OURS.keys() - {"migrate"}:
        assert SERVICES[name]["pull_policy"] == "never", name


@pytest.mark.outside(30)
def test_celery_prints_no_banner() -> None:
    for name in OURS.keys() - {"migrate"}:
        command = SERVICES[name]["command"]
        assert command[:4] == ["celery", "-A", "workers.app", "-q"], name
    for unit in ("beat", "worker"):
        text = (ROOT / "deploy" / "systemd" / f"watchkeeper-{unit}@.service").read_text()
        assert f"bin/celery -A workers.app -q {unit} " in text


@pytest.mark.outside(31)
def test_how_many_of_each_is_said_in_the_env_file_so_that_it_lasts() -> None:
    variables = [SERVICES[name]["deploy"]["replicas"] for name in ("beat", *WORKERS)]

    assert all(re.fullmatch(r"\$\{[A-Z_]+:-[12]\}", one) for one in variables)
    assert len(set(variables)) == len(variables) == 5
    assert SERVICES["beat"]["deploy"]["replicas"] == "${BEATS:-2}"


@pytest.mark.outside(32)
def test_secrets_of_channels_reach_every_worker_as_variables_and_as_files() -> None:
    for name, service in WORKERS.items():
        assert {"path": "channels.env", "required": False} in service["env_file"], name
        (mount,) = service["volumes"]
        assert mount["target"] == "/run/secrets", name
        assert mount["source"].endswith("/service"), name
        assert mount["read_only"] is True, name


@pytest.mark.outside(33)
def test_each_worker_and_beat_has_an_endpoint_for_prometheus_that_is_not_published() -> None:
    for name in ("beat", *WORKERS):
        environment = SERVICES[name]["environment"]
        assert environment["WATCHKEEPER_METRICS_PORT"] == 9464, name
        assert environment["WATCHKEEPER_METRICS_ADDRESS"] == "0.0.0.0", name


@pytest.mark.outside(6)
def test_no_password_is_in_a_command_or_in_the_environment() -> None:
    secret = re.compile(r"\$\{?[A-Z_]*(PASSWORD|KEY|TOKEN|LOGIN|AUTH)|://[^ ]*:[^ ]*@|--requirepass")
    for name, service in SERVICES.items():
        for place in ("command", "environment"):
            said = yaml.safe_dump(service.get(place))
            assert not secret.search(said), (name, place)
    for name, entry in COMPOSE["secrets"].items():
        assert set(entry) == {"file"}, name
    assert (
        SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"]
        == "/run/secrets/postgres-password"
    )
    assert "/run/secrets/redis.conf" in SERVICES["redis"]["command"]


def test_nothing_is_writable_no_capability_is_left_and_none_can_be_gained() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert any(one.startswith("/tmp") for one in service["tmpfs"]), name
    # Images of others start as root where nothing is said.
    theirs = {SERVICES[name]["user"] for name in SERVICES.keys() - OURS.keys()}
    assert theirs == {"postgres", "redis", "nobody", "grafana"}


def test_prometheus_and_grafana_start_on_request_with_rules_and_dashboard() -> None:
    parts = {name for name, service in SERVICES.items() if service.get("profiles") == ["metrics"]}
    assert parts == {"prometheus", "grafana"}
    folders = [volume.split(":")[0] for name in parts for volume in SERVICES[name]["volumes"]]
    assert all((ROOT / folder).is_dir() for folder in folders if folder.startswith("./"))
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (job,) = scraped["scrape_configs"]
    assert set(job["dns_sd_configs"][0]["names"]) == {"beat", *WORKERS}
    assert job["dns_sd_configs"][0]["port"] == 9464


def test_logs_are_rotated_and_memory_has_limits() -> None:
    for name, service in SERVICES.items():
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert re.fullmatch(r"\d+m|\$\{[A-Z]+_MEMORY:-\d+[mg]\}", SERVICES[name]["mem_limit"]), name


def test_the_image_runs_as_a_user_without_rights_and_has_no_compiler() -> None:
    text = (ROOT / "Dockerfile").read_text()
    last = text[text.rindex("FROM ") :]

    assert re.search(r"^USER 10001$", last, re.MULTILINE)
    assert "gcc" not in text
    assert "build-essential" not in text
    assert "pip install" not in last


def test_the_base_of_the_image_is_pinned_by_an_argument() -> None:
    text = (ROOT / "Dockerfile").read_text()

    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]
    assert SERVICES["migrate"]["build"]["args"]["PYTHON_IMAGE"] == "${PYTHON_IMAGE:-python:3.13-slim}"


def test_the_image_has_what_the_package_is_made_of_before_it_is_installed() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (\S+) \S+$", text[: text.index("-e .")], re.MULTILINE)
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    sources = [one for one in (*wheel["packages"], *wheel.get("force-include", {})) if one != "sandbox"]

    assert sources
    assert {source.split("/")[0] for source in sources} <= set(copied)


def test_hadolint_has_nothing_to_say_about_the_image() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A checkout in which `make env` was run."""
    for name in ("Makefile", "deploy"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    subprocess.run(["make", "env"], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def test_make_env_writes_every_secret_that_compose_names_and_they_agree(made: Path) -> None:
    variables = dict(re.findall(r"^([A-Z_]+)=(.*)$", (made / ".env").read_text(), re.MULTILINE))
    for entry in COMPOSE["secrets"].values():
        file = re.sub(r"\$\{SECRETS_DIR[^}]*\}", variables["SECRETS_DIR"], entry["file"])
        assert (made / file).read_text().strip(), file
    read = {
        file.name: file.read_text().strip() for file in (made / "secrets").rglob("*") if file.is_file()
    }
    password = read["redis.conf"].removeprefix("requirepass ")
    assert re.fullmatch(r"[0-9a-f]{36}", password)
    assert read["WATCHKEEPER_BROKER_URL"] == f"redis://:{password}@redis:6379/0"
    assert re.fullmatch(r"operator:[0-9a-f]{36}", read["flower-login"])
    assert re.fullmatch(r"[0-9a-f]{36}", read["postgres-password"])
    assert read["postgres-password"] not in (made / ".env").read_text()


@pytest.mark.outside(1)
def test_each_part_logs_in_as_its_own_role_and_only_migrate_knows_the_administrator(made: Path) -> None:
    def login(name: str) -> dict[str, Any]:
        return conninfo_to_dict((made / "secrets" / name).read_text().strip())

    logins = {
        role: login(f"{role}-database-url") for role in ("admin", "owner", "operator", "console")
    } | {"service": login("service/WATCHKEEPER_DATABASE_URL")}
    given = {one["target"]: one["source"] for one in SERVICES["migrate"]["secrets"]}

    assert given == {
        "WATCHKEEPER_ADMIN_DATABASE_URL": "admin-database-url",
        "WATCHKEEPER_DATABASE_URL": "owner-database-url",
        "WATCHKEEPER_SERVICE_DATABASE_URL": "service-database-url",
        "WATCHKEEPER_OPERATOR_DATABASE_URL": "operator-database-url",
        "WATCHKEEPER_CONSOLE_DATABASE_URL": "console-database-url",
    }
    assert (
        COMPOSE["secrets"]["service-database-url"]["file"]
        == "${SECRETS_DIR}/service/WATCHKEEPER_DATABASE_URL"
    )
    assert logins["admin"]["user"] == SERVICES["postgres"]["environment"]["POSTGRES_USER"]
    for role in ("owner", "operator", "service"):
        assert logins[role]["user"] == f"watchkeeper_{role}"
    assert len({one["password"] for one in logins.values()}) == 5
    assert logins["console"]["user"] == "console"
    assert SERVICES["sql"]["environment"]["PGUSER"] == logins["operator"]["user"]
    assert (made / "secrets/operator-password").read_text().strip() == logins["operator"]["password"]
    for name, service in SERVICES.items():
        held = {one if isinstance(one, str) else one["source"] for one in service.get("secrets", [])}
        if name != "migrate":
            assert not held & {"admin-database-url", "owner-database-url"}, name
    assert not any("database" in str(one) for one in SERVICES["flower"]["secrets"])


def test_only_its_owner_reaches_the_secrets_and_containers_can_read_theirs(made: Path) -> None:
    secrets = made / "secrets"

    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE((made / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((made / "channels.env").stat().st_mode) == 0o600
    # A container mounts what is below, and reads it as a user of its own.
    assert stat.S_IMODE((secrets / "service").stat().st_mode) == 0o755
    files = [file for file in secrets.rglob("*") if file.is_file()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o644}


def test_make_env_keeps_what_is_there(made: Path) -> None:
    before = (made / "secrets/redis.conf").read_text()
    again = subprocess.run(["make", "env"], cwd=made, capture_output=True, text=True)

    assert again.returncode
    assert "exists" in again.stderr
    assert (made / "secrets/redis.conf").read_text() == before


def test_every_variable_of_the_env_file_is_one_that_compose_reads(made: Path) -> None:
    for name in re.findall(r"^#?([A-Z_]+)=", (made / ".env").read_text(), re.MULTILINE):
        assert "${" + name in TEXT, name


def test_neither_git_nor_the_image_takes_the_secrets() -> None:
    for file in (".gitignore", ".dockerignore"):
        lines = (ROOT / file).read_text().split()
        assert "*.env" in lines, file
        assert any(line.rstrip("/") == "secrets" for line in lines), file


def test_a_unit_of_systemd_serves_the_queues_that_its_instance_names(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "systemd" / "watchkeeper-worker@.service").read_text()
    instances = re.findall(r"watchkeeper-worker@(\S+)", text.partition("[Unit]")[0])
    # Other characters are escaped, and %i is the escaped text.
    assert all(re.fullmatch(r"[A-Za-z0-9:_.-]+", one) for one in instances)
    (command,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    celery, served = tmp_path / "celery", []
    celery.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    celery.chmod(0o755)
    for instance in instances:
        line = command.replace("%i", instance).replace("%%", "%").replace("$$", "$")
        line = line.replace("/opt/watchkeeper/.venv/bin/celery", str(celery))
        said = subprocess.run(
            shlex.split(line), capture_output=True, text=True, check=True
        ).stdout.split("\n")
        served += said[said.index("-Q") + 1].split(",")
        assert said[said.index("-n") + 1] == f"{instance}@%h"
    assert sorted(served) == sorted(queue_names())


#: Says what it was called with; each service has one container, whose id is its name, and browsers only if told so.
DOCKER = """#!/bin/sh
echo "$COMPOSE_PROFILES: $*" >> "$LOG"
case "$*" in
  *"ps -q browser") [ -z "$BROWSERS" ] || echo browser-1 ;;
  *"ps -q"*) shift 3; printf '%s-1\\n' "$@" ;;
esac
"""


@pytest.mark.parametrize("browsers", ["", "yes"])
def test_an_upgrade_replaces_browsers_where_they_run(tmp_path: Path, browsers: str) -> None:
    docker, log = tmp_path / "docker", tmp_path / "log"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    place = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(log), "BROWSERS": browsers}
    subprocess.run([ROOT / "deploy" / "upgrade"], env=place, check=True, capture_output=True)

    calls = log.read_text().splitlines()
    (scaled,) = [call for call in calls if "--scale" in call]
    (stopped,) = [call for call in calls if " stop " in call]
    assert ("--scale browser=2" in scaled) is bool(browsers)
    assert scaled.startswith("browser:") is bool(browsers)
    assert ("browser-1" in stopped) is bool(browsers)
    assert "--scale listings=2" in scaled
