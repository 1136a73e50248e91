"""Prometheus over a running system: alert rules and dashboard find what they ask for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.ports import free_port
from sandbox.processes import Process
from tests.support.processes import QUICK
from tests.support.runs import KINDS
from tests.support.tools import need

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = yaml.load((DEPLOY / "alerts.yml").read_text(), yaml.CSafeLoader)[
    "groups"
][0]["rules"]
ALERTS = [rule for rule in RULES if "alert" in rule]
BOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "watchkeeper.json").read_text())
METRIC = re.compile(r"\bwatchkeeper_[a-z_0-9]+")


def dashboard_queries() -> list[str]:
    return [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]


def test_the_rules_pass_their_unit_tests() -> None:
    promtool = shutil.which("promtool")
    need(promtool, "promtool (Debian: prometheus)")
    done = subprocess.run(
        [str(promtool), "test", "rules", str(DEPLOY / "alerts.test.yml")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    checked = subprocess.run(
        [str(promtool), "check", "config", str(DEPLOY / "prometheus.yml")], capture_output=True
    )
    assert checked.returncode == 0, checked.stdout


def test_every_alert_has_a_unit_test_that_fires_it_and_one_that_does_not() -> None:
    fired, silent = set(), set()
    for case in yaml.safe_load((DEPLOY / "alerts.test.yml").read_text())["tests"]:
        for expected in case["alert_rule_test"]:
            (fired if expected.get("exp_alerts") else silent).add(expected["alertname"])
    names = {rule["alert"] for rule in ALERTS}
    assert fired == silent == names


def test_every_alert_links_to_its_section_of_troubleshooting() -> None:
    sections = re.findall(r"^### (\w+)$", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    for rule in ALERTS:
        page, anchor = rule["annotations"]["runbook"].split("#")
        assert page == "docs/troubleshooting.md"
        assert anchor == rule["alert"].lower()
    assert sections == [rule["alert"] for rule in ALERTS]


def test_rules_and_dashboard_name_only_metrics_that_exist() -> None:
    from docs import generate

    page = generate.metrics()
    known = set(METRIC.findall(page))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "count", "sum")}
    asked = {name for rule in RULES for name in METRIC.findall(rule["expr"])}
    asked |= {name for query in dashboard_queries() for name in METRIC.findall(query)}
    assert asked <= known


class Prometheus:
    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.port = free_port()
        config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(DEPLOY / "alerts.yml")]
        (job,) = config["scrape_configs"]
        del job["dns_sd_configs"], job["relabel_configs"]
        job["static_configs"] = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"service": service}}
            for service, port in ports.items()
        ]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            str(shutil.which("prometheus")),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self.process = Process(command, log=folder / "prometheus.log", cwd=folder)

    def ask(self, query: str) -> list[Any]:
        """The samples of a query; none while Prometheus does not answer."""
        address = f"http://127.0.0.1:{self.port}/api/v1/query?"
        query = query.replace("$__rate_interval", "1m")
        try:
            with urllib.request.urlopen(
                address + urllib.parse.urlencode({"query": query}), timeout=5
            ) as answer:
                samples: list[Any] = json.load(answer)["data"]["result"]
        except OSError:
            return []
        return samples


@pytest.fixture
def watched(celery_process: Any, imitation: Any, new_run: Any, connection: Any, tmp_path: Path) -> Any:
    """A beat and a worker at work, with one run that fails and an upstream that fails, and Prometheus."""
    need(shutil.which("prometheus"), "prometheus (Debian: prometheus)")
    server = imitation("generic")
    connection.execute("insert into upstream (name, base_url) values ('generic', %s)", (server.url,))
    connection.execute("insert into quota (upstream, per, calls) values ('generic', '1 minute', 1000)")
    connection.execute(
        "insert into channel (name, kind, target, upstream)"
        " values ('ops', 'discord', 'env:WATCHKEEPER_CHANNEL_OPS', 'discord')"
    )
    connection.execute(
        "insert into schedule (name, task, options, every, queue)"
        " select 'often-' || n, 'tests.calling', '{\"items\": 3}', '2 seconds', 'upkeep'"
        "   from generate_series(1, 5) n"
    )
    ports = {"beat": free_port(), "prices": free_port()}
    celery_process("beat", **QUICK, WATCHKEEPER_METRICS_PORT=str(ports["beat"]))
    celery_process(
        "worker",
        "-Q",
        "upkeep",
        "-c",
        "2",
        app=KINDS,
        **QUICK,
        WATCHKEEPER_METRICS_PORT=str(ports["prices"]),
    )
    prometheus = Prometheus(tmp_path, ports)
    prometheus.process.start()
    yield prometheus
    prometheus.process.kill()


def queries() -> list[str]:
    """What rules and dashboard ask; an alert without its threshold, so that it has data while silent."""
    recorded = [rule["expr"] for rule in RULES if "record" in rule]
    compared = [
        rule["expr"].split(" unless on ()")[0] for rule in ALERTS if "absent" not in rule["expr"]
    ]
    asked = [re.sub(r" (?:>|==) [\d.]+\b", "", query) for query in compared]
    # No due time is missed here, so that counter does not exist.
    return [
        query
        for query in [*recorded, *asked, *dashboard_queries()]
        if "watchkeeper_schedule_missed_total" not in query
    ]


def test_every_query_of_rules_and_dashboard_returns_data(watched: Prometheus, eventually: Any) -> None:
    missing = queries()

    def all_answer() -> bool:
        missing[:] = [query for query in missing if not watched.ask(query)]
        return not missing

    with suppress(AssertionError):
        eventually(all_answer, within=60)
    assert missing == []
    assert watched.ask('ALERTS{alertstate="firing"}') == []
