"""README and docs/ tell the truth: names, files, links, and what is generated from the code."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from workers.cli.main import COMMANDS
from workers.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = {str(page.relative_to(ROOT)): page.read_text() for page in PAGES}
#: Folders whose files pages name.
FOLDERS = "beat|workers|tasks|sandbox|deploy|tests|alembic|docs|console"
LIST = re.compile(r"^### (.+)\n\n<!-- list: at most (\d+) -->\n((?:\d+\. .+\n)+)", re.MULTILINE)


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings", "metrics", "commands"])
def test_reference_is_what_the_code_says_or_run_make_docs(name: str) -> None:
    assert getattr(generator(), name)() == TEXT[f"docs/reference/{name}.md"]


def test_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 8192


@pytest.mark.parametrize("page", TEXT)
def test_no_page_names_a_setting_that_is_not_there(page: str) -> None:
    # Variables of channels are named by people: a channel's target says which.
    named = set(
        re.findall(r"WATCHKEEPER_(?!CHANNEL_)([A-Z_]+)", TEXT[page].replace("WATCHKEEPER_…", ""))
    )

    # Those of tests are no settings of the system: which tests run, and on which servers.
    of_tests = {name for name in named if name.endswith("_TEST")} | {"TEST_POSTGRES"}
    assert named <= {name.upper() for name in Settings.model_fields} | of_tests


@pytest.mark.parametrize("page", TEXT)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", TEXT[page])

    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", TEXT)
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)", TEXT[page])

    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


@pytest.mark.parametrize("page", TEXT)
def test_no_page_names_an_acceptance_case(page: str) -> None:
    assert re.findall(r"\b(?:PA|ST|AU|WA|DE)-\d{3}\b", TEXT[page]) == []


@pytest.mark.parametrize("page", [page for page in TEXT if not page.startswith("docs/reference/")])
def test_pages_show_our_commands_in_their_short_form(page: str) -> None:
    long = re.findall(rf"celery -A workers\.app (?:{'|'.join(COMMANDS)})\b.*", TEXT[page])

    # README says once that there is a long form.
    assert long == [] or (page == "README.md" and len(long) == 1)


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()

    assert [page for page in TEXT if page.startswith("docs/") and page[5:] not in menu] == []


def test_the_table_of_packages_names_every_folder_of_the_code() -> None:
    folders = {
        str(file.parent.relative_to(ROOT))
        for package in ("workers", "beat", "tasks", "console", "sandbox")
        for file in (*(ROOT / package).glob("__init__.py"), *(ROOT / package).glob("*/__init__.py"))
    }
    page = TEXT["docs/architecture.md"]

    assert [name for name in sorted(folders) if f"`{name}/`" not in page] == []


def test_every_kind_of_incident_is_explained() -> None:
    view = (ROOT / "alembic" / "sql" / "trouble.sql").read_text()
    kinds = set(re.findall(r"select '([a-z ]+)'(?: as kind)?, ", view))
    explained = set(re.findall(r"^\| `([a-z ]+)` \|", TEXT["docs/watches/notices.md"], re.MULTILINE))

    assert len(kinds) >= 8
    assert kinds <= explained


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def reached_from(path: str) -> set[str]:
    """Modules that a file imports; of an SQL file nothing."""
    if not path.endswith(".py"):
        return set()
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
    return names


def lists() -> list[Any]:
    found = LIST.findall(TEXT["docs/architecture.md"])
    return [pytest.param(int(most), text, id=title) for title, most, text in found]


@pytest.mark.parametrize(("most", "text"), lists())
def test_the_files_of_a_journey_are_few_and_each_is_reached_from_one_before(
    most: int, text: str
) -> None:
    items = re.findall(r"^\d+\. `([^`]+)` — (.+)$", text, re.MULTILINE)
    lost = []
    before: list[str] = []
    for path, says in items:
        if path.endswith(".py"):
            importlib.import_module(module_of(path))
            reached = any(module_of(path) in reached_from(other) for other in before)
        else:
            reached = any(Path(path).stem in (ROOT / other).read_text() for other in before)
        if not reached and not says.startswith("entry: "):
            lost.append(path)
        before.append(path)

    assert lost == []
    assert len(items) == len(text.strip().splitlines()) <= most


def test_the_three_journeys_are_told() -> None:
    assert len(lists()) == 3
