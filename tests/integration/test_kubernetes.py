"""deploy/kubernetes: valid for the API, restricted, and true to the code and to compose."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tasks.listings.scrape import ScrapeOptions
from workers.installation.queues import queue_names
from workers.settings import BROWSER_QUEUE, Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
COMPOSE = yaml.load((ROOT / "docker-compose.yml").read_text(), yaml.CSafeLoader)["services"]
KUSTOMIZATION = yaml.load((FOLDER / "kustomization.yaml").read_text(), yaml.CSafeLoader)
MANIFESTS: list[dict[str, Any]] = [
    one
    for file in KUSTOMIZATION["resources"]
    for one in yaml.load_all((FOLDER / file).read_text(), yaml.CSafeLoader)
]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == kind}


DEPLOYMENTS = of_kind("Deployment")
PODS = {name: one["spec"]["template"]["spec"] for name, one in (DEPLOYMENTS | of_kind("Job")).items()}
CONTAINERS = [
    (name, container)
    for name, pod in PODS.items()
    for container in [*pod.get("initContainers", []), *pod["containers"]]
]
WORKERS = [name for name, pod in PODS.items() if "worker" in pod["containers"][0]["args"]]


def named(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def test_the_kustomization_lists_every_file() -> None:
    files = {file.name for file in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files


@pytest.fixture(scope="module")
def validate() -> Callable[[dict[str, Any]], Any]:
    """Their import takes seconds: only the process that runs these tests pays for it."""
    import kubernetes_validate
    from cloudcoil.models.keda import v1alpha1 as keda

    def check(manifest: dict[str, Any]) -> None:
        if manifest["apiVersion"].startswith("keda.sh/"):
            getattr(keda, manifest["kind"]).model_validate(manifest)
        else:
            kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)

    return check


@pytest.mark.parametrize("manifest", MANIFESTS, ids=named)
def test_each_manifest_is_valid(manifest: dict[str, Any], validate: Callable[..., Any]) -> None:
    validate(manifest)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_runs_the_command_that_compose_runs(name: str) -> None:
    (container,) = PODS[name]["containers"]
    assert container["args"] == COMPOSE[name]["command"]


def test_every_service_of_ours_in_compose_has_its_pod_and_every_queue_its_workers() -> None:
    ours = {name for name, one in COMPOSE.items() if "watchkeeper" in one["image"]}
    assert set(PODS) == ours
    arguments = [PODS[name]["containers"][0]["args"] for name in WORKERS]
    served = [queue for words in arguments for queue in words[words.index("-Q") + 1].split(",")]
    assert sorted(served) == sorted([*queue_names(), BROWSER_QUEUE])


def test_every_variable_and_every_secret_file_is_a_setting() -> None:
    known = {f"WATCHKEEPER_{name.upper()}" for name in Settings.model_fields}
    text = "\n".join(file.read_text() for file in FOLDER.glob("*.yaml"))
    assert set(re.findall(r"WATCHKEEPER_[A-Z_]+", text)) <= known
    assert of_kind("ConfigMap")["watchkeeper"]["data"].keys() <= known


@pytest.mark.parametrize(("name", "container"), CONTAINERS, ids=lambda one: str(one)[:20])
def test_containers_are_restricted_and_bounded(name: str, container: dict[str, Any]) -> None:
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not any("valueFrom" in one for one in container.get("env", []))


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_probes_tell_apart_started_alive_and_ready(name: str) -> None:
    (container,) = PODS[name]["containers"]
    started, alive, ready = (container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness"))
    # An outage of Postgres or Redis must not restart what waits for its end.
    assert "exec" not in alive
    assert ready["exec"]["command"] == COMPOSE[name]["healthcheck"]["test"][1:]
    assert started["failureThreshold"] * started["periodSeconds"] >= 60


def test_what_reads_the_database_waits_for_the_migrate_job() -> None:
    waiting = {
        name
        for name, pod in PODS.items()
        for one in pod.get("initContainers", [])
        if one["args"] == ["python", "-m", "workers.migrate", "--wait"]
    }
    # Flower reads the broker alone, and the Job is what the others wait for.
    assert waiting == PODS.keys() - {"flower", "migrate"}


def test_the_page_makes_the_namespace_and_every_secret_that_pods_name_from_files_of_make_env() -> None:
    page = (ROOT / "docs" / "production.md").read_text().replace("\\\n", " ")
    made = re.findall(r"create secret generic (\S+) (.*)", page)
    mounted = {
        volume["secret"]["secretName"]
        for pod in PODS.values()
        for volume in pod["volumes"]
        if "secret" in volume
    }
    assert {name for name, _ in made} == mounted | {"watchkeeper-scaler"}
    assert page.index("kubectl apply -f deploy/kubernetes/namespace.yaml") < page.index("create secret")
    written = set(re.findall(r"^put (\S+)", (ROOT / "deploy" / "make-env").read_text(), re.MULTILINE))
    known = {f"WATCHKEEPER_{name.upper()}" for name in Settings.model_fields} | {"FLOWER_BASIC_AUTH"}
    for _, words in made:
        for key, file in re.findall(r"--from-file=(\w+)=secrets/(\S+)", words):
            assert key in known
            assert file in written


def test_workers_may_finish_their_longest_call() -> None:
    (longest,) = [
        bound.le
        for bound in ScrapeOptions.model_fields["timeout_seconds"].metadata
        if hasattr(bound, "le")
    ]
    stop = float(of_kind("ConfigMap")["watchkeeper"]["data"]["WATCHKEEPER_STOP_SECONDS"])
    assert WORKERS
    assert stop > longest
    for name in WORKERS:
        assert PODS[name]["terminationGracePeriodSeconds"] > stop


def test_what_has_several_pods_keeps_one_while_nodes_are_drained() -> None:
    assert of_kind("PodDisruptionBudget").keys() == {"beat", *WORKERS}


def test_every_worker_group_is_scaled_by_ready_and_running_work_and_never_to_none(
    connection: Any,
) -> None:
    objects = of_kind("ScaledObject")
    # People start the browsers, in a cluster whose image has Chromium.
    assert objects.keys() == set(WORKERS) - {"browser"}
    assert DEPLOYMENTS["browser"]["spec"]["replicas"] == 0
    connection.execute(
        "insert into run (id, task, options, trigger, due_at, state, queue, max_attempts)"
        " select gen_random_uuid(), 'tasks.prices.refresh', '{}', 'manual', now(), 'running', 'prices', 1"
        "   from generate_series(1, 2)"
    )
    connection.execute(
        "insert into batch (run_id, seq, task, queue, state, send_at, lease_until, worker)"
        " select id, 0, task, queue, case row_number() over () when 1 then 'running' else 'sent' end,"
        "        case row_number() over () when 2 then now() end,"
        "        case row_number() over () when 1 then now() end, 'w'"
        "   from run"
    )
    wanted = {}
    for name, scaled in objects.items():
        spec = scaled["spec"]
        assert spec["scaleTargetRef"] == {"name": name}
        assert spec["minReplicaCount"] >= 1
        (trigger,) = spec["triggers"]
        with connection.transaction():
            connection.execute("set local role viewer")
            (wanted[name],) = connection.execute(trigger["metadata"]["query"]).fetchone().values()
        arguments = PODS[name]["containers"][0]["args"]
        queues = arguments[arguments.index("-Q") + 1].split(",")
        assert re.findall(r"'(\w+)'", trigger["metadata"]["query"]) == queues
    assert wanted == {"discovery": 0, "prices": 2, "listings": 0}


def test_only_named_traffic_comes_in_and_workers_alone_call_out() -> None:
    policies = of_kind("NetworkPolicy")
    denied = policies["default-deny"]["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    out = policies["calls-to-upstreams"]["spec"]
    assert out["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "worker"}
    labels = DEPLOYMENTS["prices"]["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "worker"


def test_a_wait_for_migrate_ends_when_the_database_is_up_to_date(database: Any) -> None:
    from workers import migrate

    assert migrate.main(["--wait"]) == 0


def test_the_consoles_login_may_wait_for_migrate(
    database: Any, login: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.postgres import forget_caches
    from workers import migrate

    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", login("console"))
    forget_caches()
    # Refused, it would ask again for ever.
    monkeypatch.setattr(migrate.time, "sleep", lambda _: pytest.fail("may not read the revision"))
    assert migrate.main(["--wait"]) == 0


def test_a_wait_for_migrate_outlasts_an_empty_database(
    postgres_server: Any, database: Any, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers import migrate

    connection.execute("alter table alembic_version rename to alembic_version_away")
    looks: list[float] = []

    def migrated_at_last(seconds: float) -> None:
        looks.append(seconds)
        with psycopg.connect(database.admin_url, autocommit=True) as other:
            other.execute("alter table alembic_version_away rename to alembic_version")

    monkeypatch.setattr(migrate.time, "sleep", migrated_at_last)
    assert migrate.main(["--wait"]) == 0
    assert looks == [migrate.WAIT_SECONDS]
