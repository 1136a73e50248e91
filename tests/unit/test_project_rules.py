"""Rules of the house that no other tool keeps."""

from __future__ import annotations

import ast
import itertools
import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted(
    path
    for folder in (
        "workers",
        "beat",
        "tasks",
        "console",
        "sandbox",
        "alembic",
        "docs",
        "deploy",
        "examples",
    )
    for path in (ROOT / folder).rglob("*.py")
)

PRODUCTION = [path for path in CODE if path.relative_to(ROOT).parts[0] != "alembic"]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_300_lines(path: Path) -> None:
    if path.parent.name == "versions":
        return  # frozen SQL
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", PRODUCTION, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_is_longer_than_40_lines_or_takes_more_than_7_parameters(path: Path) -> None:
    assert [
        (one.name, length(one), number_of_parameters(one))
        for one in ast.walk(ast.parse(path.read_text()))
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length(one) > 40 or number_of_parameters(one) > 7)
    ] == []


def test_files_of_ours_are_read_as_utf_8_in_every_locale() -> None:
    ours = [
        path for path in CODE if path.relative_to(ROOT).parts[0] not in {"sandbox", "docs", "deploy"}
    ]
    assert [path for path in ours if "read_text()" in path.read_text("utf-8")] == []


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def number_of_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    if named and named[0].arg in {"self", "cls"}:
        del named[0]
    return len(named) + (given.vararg is not None) + (given.kwarg is not None)


def test_workers_has_at_most_a_dozen_files_outside_its_rooms() -> None:
    assert len([path for path in (ROOT / "workers").glob("*.py") if path.name != "__init__.py"]) <= 12


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in CODE if ast.get_docstring(ast.parse(path.read_text())) is None]

    assert silent == []


@pytest.mark.parametrize("package", ["workers", "beat", "tasks", "console", "sandbox"])
def test_a_third_to_a_half_of_the_functions_have_a_docstring(package: str) -> None:
    """More would repeat names and types; fewer leave units, None and the caller's part unsaid."""
    functions = [
        node
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    documented = sum(ast.get_docstring(one) is not None for one in functions)

    assert 1 / 3 <= documented / len(functions) <= 1 / 2


def test_alembic_is_no_package() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_no_test_folder_shadows_a_package() -> None:
    folders = {path for path in (ROOT / "tests").rglob("*") if path.is_dir()}

    # The fourth watch is on the path of its own processes alone, where it extends `tasks`.
    folders -= {ROOT / "tests" / "fourth_watch" / "tasks"}
    assert not {path.name for path in folders} & {"workers", "beat", "tasks", "console"}


def test_no_other_distribution_owns_our_packages() -> None:
    owners = packages_distributions()

    assert {tuple(owners.get(name, ())) for name in ("workers", "beat", "tasks", "console")} <= {
        ("watchkeeper",),
        (),
    }


def test_a_tasks_name_is_its_path() -> None:
    from workers.migrate import registered

    names = [task.name for task in registered() if task.name.startswith("tasks.")]

    assert len(names) >= 5
    for name in names:
        assert (ROOT / (name.replace(".", "/") + ".py")).exists()


def test_every_kind_has_a_queue_a_time_limit_and_a_sentence() -> None:
    from workers.installation.queues import queue_names
    from workers.migrate import registered
    from workers.plain.signatures import PlainKind

    for task in registered():
        assert task.options.model_json_schema()
        if isinstance(task, PlainKind):
            # Somebody's own: its description, limits and queue are theirs.
            continue
        assert task.default_queue in queue_names()
        assert task.time_limit
        assert (task.__doc__ or "").strip()


def test_a_queue_has_one_home() -> None:
    """A watch's is in its ``watch.py``; the system's own are in workers/settings.py."""
    from workers.installation.queues import queue_names

    names = "|".join(queue_names())
    literal = re.compile(rf"""queue\s*[=:(]\s*["'](?:{names})["']""")
    homes = {"tasks/discovery/watch.py", "tasks/listings/watch.py", "tasks/prices/watch.py"}

    assert {
        str(path.relative_to(ROOT)) for path in PRODUCTION if literal.search(path.read_text())
    } == homes


def test_a_domain_names_no_table_of_another() -> None:
    import workers.migrate
    from workers.db import Base

    workers.migrate.registered()
    owners = {
        mapper.local_table.name: mapper.class_.__module__.split(".")[1]
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.startswith("tasks.")
    }
    named = {
        (path.relative_to(ROOT / "tasks").parts[0], table)
        for path in (ROOT / "tasks").rglob("*")
        if path.suffix in {".py", ".sql"}
        for table in re.findall(r"\b(?:from|join|into|update)\s+(\w+)", path.read_text())
    }

    assert {
        (domain, table)
        for domain, table in named
        if owners.get(table, domain) not in {domain, "watches"}
    } == set()


def test_a_mapped_class_is_used_by_statements_and_not_only_compared() -> None:
    import workers.migrate
    from workers.db import Base

    workers.migrate.registered()
    layers = ("workers", "beat", "tasks")
    named = {
        node.id
        for layer in layers
        for path in (ROOT / layer).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name)
    }
    mapped = {
        node.name
        for layer in layers
        for path in (ROOT / layer).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "Base" for base in node.bases)
    }

    assert len(mapped) > 20
    assert mapped >= {
        mapper.class_.__name__
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.startswith(layers)
    }
    assert mapped - named == set()


def test_no_registry_host_and_no_machine_path_is_in_any_file() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    words = ["pypi" + ".org", "pythonhosted" + ".org", "file:" + "///"]
    guilty = []
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".gz", ".png"} or not path.is_file():
            continue
        text = path.read_text(errors="ignore")
        guilty += [(name, word) for word in words if word in text]

    assert guilty == []


def test_every_finding_from_outside_has_a_test() -> None:
    """`pytest -m outside` shows them by their number in the list of findings."""
    marks = re.findall(
        r"mark\.outside\((\d+)\)",
        "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py")),
    )

    assert {int(number) for number in marks} == set(range(1, 34))


#: What people count.  A number before one of these words is said by `count_words`.
COUNTED = re.compile(
    r"^ (?:more |new )?(?:runs(?= (?:of|are|will|well))|schedules|rules|rows|items|batches|notices|messages|changes|channels|ads|cards|calls"
    r"|tokens|wallets|sessions|markets|fields|files|pages|bars|quotas|processes|troubles)\b"
)


def test_a_number_of_things_is_said_by_the_one_formatter() -> None:
    wrong = []
    for path in PRODUCTION:
        for text in ast.walk(ast.parse(path.read_text())):
            if not isinstance(text, ast.JoinedStr):
                continue
            for number, after in itertools.pairwise(text.values):
                counts = isinstance(number, ast.FormattedValue) and isinstance(after, ast.Constant)
                constant = counts and isinstance(number.value, ast.Name) and number.value.id.isupper()
                if counts and not constant and COUNTED.match(str(after.value)):
                    wrong.append((str(path.relative_to(ROOT)), ast.unparse(text)))
    assert wrong == []


#: Tests that another machine or server runs, each with its reason; tools are asked for by `need`.
SKIPPING = {
    "tests/engine/conftest.py", "tests/integration/test_migrations.py", "tests/integration/test_query_plans.py",
    "tests/integration/test_celery_suite.py", "tests/e2e/test_rolling_upgrade_of_a_release.py",
    "tests/support/tools.py",
}  # fmt: skip


def test_a_test_without_its_tool_is_skipped_by_need_which_fails_in_ci() -> None:
    skipping = re.compile(r"pytest\.(skip\(|mark\.skip|importorskip)")

    assert {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if path != Path(__file__) and skipping.search(path.read_text())
    } == SKIPPING


#: Called by a library, by the name that it gives.
HOOKS = {
    "get_col_spec", "init_loader", "setup_schedule", "on_failure", "_maybe_scale", "start_tls", "get_extra_info",
    "connect_tcp", "format_commands", "convert", "shell_complete", "on_broken_pipe", "compute_etag",
    "initialize", "handle_RCPT", "handle_DATA", "run_sql", "with_client",
    "get_completion_args",
}  # fmt: skip


def test_no_function_is_called_by_tests_alone() -> None:
    trees = [ast.parse(path.read_text()) for path in CODE if path.parent.name != "versions"]
    named: set[str] = set()
    made: dict[str, bool] = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                made[node.name] = made.get(node.name, False) or bool(node.decorator_list)
            case ast.Name() | ast.Attribute():
                named.add(node.id if isinstance(node, ast.Name) else node.attr)
            case ast.alias():
                named.add(node.name)
            case ast.Constant(value=str()):
                # Import strings, and names that templates and grammars use.
                named |= set(re.findall(r"\w+", node.value)) if len(node.value) < 120 else set()
    for page in (path for name in ("console", "sandbox") for path in (ROOT / name).rglob("*.html")):
        named |= set(re.findall(r"\w+", page.read_text()))
    named |= set(re.findall(r"\w+", (ROOT / "tasks/watches/grammar.py").read_text()))

    assert {
        name
        for name, decorated in made.items()
        if name not in named and not decorated and not name.startswith("__")
    } - HOOKS == set()


#: Modules that each watch's folder has; one is always named with its domain.
PER_DOMAIN = {"commands", "matching", "pages", "queries", "watch"}
#: A page of the console, and the endpoints beside it.
PER_ROOM = {"runs", "schedules"}


@pytest.mark.parametrize("package", ["workers", "beat", "tasks", "console"])
def test_no_module_has_a_name_that_means_two_things(package: str) -> None:
    names = [path.stem for path in (ROOT / package).rglob("*.py") if not path.stem.startswith("__")]

    twice = {name for name in names if names.count(name) > 1}
    assert twice <= {"tasks": PER_DOMAIN, "console": PER_ROOM}.get(package, set())


#: What tasks import of workers, by its public names.
OFFERED = {"workers.db", "workers.errors", "workers.execution", "workers.ledger", "workers.upstreams"}


def is_offered(module: str, name: str) -> bool:
    return module in OFFERED and name in getattr(import_module(module), "NAMES", {name})


def test_tasks_import_five_modules_of_workers() -> None:
    strays = []
    watch = (ROOT / "tests/fourth_watch/tasks").rglob("*.py")
    for path in [*(ROOT / "tasks").rglob("*.py"), *watch]:
        if path.parent.name == "revisions":
            continue  # Alembic runs them
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                strays += [one.name for one in node.names if one.name.startswith("workers")]
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("workers"):
                strays += [
                    f"{path.relative_to(ROOT)}: {node.module}.{one.name}"
                    for one in node.names
                    if not is_offered(str(node.module), one.name)
                ]
    assert strays == []


@pytest.mark.parametrize("package", ["workers.execution", "workers.ledger", "workers.upstreams"])
def test_every_public_name_is_typed_and_is_where_it_is_said_to_be(package: str) -> None:
    module = import_module(package)
    typed = {
        name.asname
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text()))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if name.asname
    }

    assert typed == set(module.NAMES)
    assert all(getattr(module, name) is not None for name in typed)


def test_what_only_computes_loads_no_database_no_broker_and_no_network() -> None:
    """Import-linter reads what is imported; here also what a package loads when a name of it is used."""
    contract = next(
        one
        for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
            "contracts"
        ]
        if one["name"].startswith("what only computes")
    )
    modules, forbidden = contract["source_modules"], contract["forbidden_modules"]
    program = (
        "import importlib, json, sys\n"
        "for name in json.loads(sys.argv[1]): importlib.import_module(name)\n"
        "print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(modules), json.dumps(forbidden)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert json.loads(done.stdout) == []


def test_a_revision_imports_nothing_of_ours_but_what_runs_its_text() -> None:
    imported = {
        (node.module, name.name)
        for path in (ROOT / "alembic" / "versions").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    plain = {
        name.name
        for path in (ROOT / "alembic" / "versions").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import)
        for name in node.names
    }

    ours = ("workers", "beat", "tasks", "console", "sandbox")
    assert {one for one in imported if str(one[0]).startswith(ours)} == {("workers.migrate", "run_sql")}
    assert not [name for name in plain if name.startswith(ours)]
