"""The API answers as its OpenAPI document says, whatever is sent: schemathesis tries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from console.api import document
from console.app import create_app
from console.config import Config
from tests.support.console import Console

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "reference" / "openapi.json"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(create_app(Config("postgresql://nobody@127.0.0.1:1/none")))


def test_the_checked_in_document_is_what_the_code_says_or_run_make_docs(
    described: dict[str, Any],
) -> None:
    assert json.loads(FILE.read_text()) == json.loads(json.dumps(described))
    assert described["openapi"].startswith("3.1")


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_no_request_breaks_the_api(console: Console, described: dict[str, Any]) -> None:
    # Imported by the one process that runs this.
    import schemathesis

    client = console.api()
    for number in range(3):
        made = client.post(
            "/schedules",
            json={"name": f"s-{number}", "task": "tasks.discovery.discover", "every": "1 hour"},
        )
        assert made.status_code == 201
    headers = {"authorization": f"Bearer {console.token()}"}
    wrong: list[str] = []
    tried = 0
    for found in schemathesis.openapi.from_dict(described).get_all_operations():
        operation = found.ok()
        try:
            tried += attempt(operation, console.url, headers)
        except Exception as error:
            wrong.append(f"{operation.label}: {error!r} {getattr(error, 'exceptions', '')}"[:1500])

    assert wrong == []
    assert tried > 300


def checks_of(operation: Any) -> list[Any]:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    conformance = [
        checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance,
    ]  # fmt: skip
    # /health says 503 when no beat runs, as here.
    return conformance if operation.path == "/api/v1/health" else [not_a_server_error, *conformance]


def attempt(operation: Any, url: str, headers: dict[str, str]) -> int:
    """Send what the operation's schema allows, and more; the number of requests."""
    checks = checks_of(operation)
    sent = 0

    @given(case=operation.as_strategy())
    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def send(case: Any) -> None:
        nonlocal sent
        sent += 1
        answer = case.call(base_url=url, headers=headers)
        case.validate_response(answer, checks=checks)

    send()
    return sent
