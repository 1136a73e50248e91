"""What each command may load: reading commands load the driver, and neither Celery nor SQLAlchemy."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

#: Packages of others that a command loads.
BASE = {"click", "psycopg", "psycopg_binary", "rich", "typing_extensions"}
HELP = {"click", "rich", "typing_extensions"}
EVALUATING = BASE | {"lark", "rapidfuzz"}
#: Command → packages that it may load.
ALLOWED = {
    "schedule list": BASE,
    "schedule status": BASE,
    "schedule show hourly": BASE,
    "schedule next hourly": BASE,
    "schedule runs": BASE,
    "schedule changes": BASE,
    "schedule run hourly": BASE,
    "schedule pause hourly": BASE,
    "schedule set hourly --every 2h --dry-run": BASE,
    "schedule backfill hourly --from 2026-01-01 --to 2026-01-02 --dry-run": BASE,
    "schedule export": BASE | {"yaml", "_yaml"},
    "upstream unblock head_fi": BASE,
    "upstream list": BASE,
    "prices watchlist": BASE,
    "prices quotes": BASE,
    "prices health": BASE,
    "listings list": BASE,
    "listings sites": BASE,
    "listings categories": BASE,
    "notify channels": BASE,
    "notify outbox": BASE,
    "watch found listing": EVALUATING,
    "watch found token": EVALUATING,
    "watch found quote": EVALUATING,
    "watch test price>5": EVALUATING,
    # kombu loads Django and msgpack where they are installed, as development has them.
    "doctor": BASE | {"kombu", "amqp", "vine", "redis", "packaging", "tzdata", "tzlocal", "dateutil", "six", "async_timeout",
               "billiard", "yaml", "opentelemetry", "django", "msgpack"},
    "completion bash": HELP,
    "--help": HELP,
}  # fmt: skip

PROGRAM = """
import json, sys
before = set(sys.modules)
from workers.cli.main import main
sys.argv[1:] = json.loads(sys.argv[1])
try:
    main()
except SystemExit as ended:
    status = ended.code
own = {"workers", "beat", "tasks"}
print()
print(json.dumps([status, sorted({name.partition(".")[0] for name in set(sys.modules) - before}
                                 - set(sys.stdlib_module_names) - {"cython_runtime"} - own)]))
"""


@pytest.mark.parametrize("words", ALLOWED)
def test_a_command_loads_no_more_than_it_may(words: str, connection: Any, broker_url: str) -> None:
    connection.execute(
        "insert into schedule (name, task, every) values ('hourly', 'tasks.discovery.discover', '1 hour')"
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(words.split())], capture_output=True, text=True
    )
    status, loaded = json.loads(done.stdout.splitlines()[-1])
    modules = {name for name in loaded if not name.startswith(("_", "__editable"))}

    assert status in (0, None) or words in {"doctor", "schedule status", "prices health"}, done.stderr
    assert modules <= ALLOWED[words]


def test_celery_does_not_load_what_its_workers_need_for_a_command_that_reads(connection: Any) -> None:
    program = (
        "import json, sys\n"
        "from celery.bin.celery import celery\n"
        "try: celery(['-A', 'workers.app', 'schedule', 'list'])\n"
        "except SystemExit: pass\n"
        "print()\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))

    assert "workers.app" in loaded
    assert not loaded & {"sqlalchemy", "pydantic", "httpx2", "structlog", "workers.settings"}
