"""What the console's templates and files of others may and may not hold."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import forms
from console.access import Sent
from console.templating import environment, is_link
from tasks.watches.registry import by_domain
from workers.text import short

ROOT = Path(__file__).parents[2]
TEMPLATES = [*(ROOT / "console/templates").glob("*.html"), *(ROOT / "sandbox/templates").glob("*.html")]
VENDOR = ROOT / "console/static/vendor"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_inline_script_or_style_and_trusts_no_text(path: Path) -> None:
    found = path.read_text()

    assert not re.search(
        r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|\|\s*safe|Markup|autoescape", found
    )
    assert all('src="' in tag for tag in re.findall(r"<script[^>]*>", found))


def test_the_dark_scheme_changes_colours_alone() -> None:
    ours = [path for path in (ROOT / "console/static").glob("*.*") if path.suffix in {".css", ".js"}]
    found = [path.read_text().split("prefers-color-scheme") for path in ours]
    assert sum(len(parts) - 1 for parts in found) == 1
    (block,) = [parts[1] for parts in found if len(parts) > 1]

    colours = r"(--[a-z-]+: #[0-9a-f]{6};\s*)+"
    assert re.match(rf": dark\) \{{\s*:root \{{\s*{colours}\}}\s*\}}", block)


def test_files_of_others_are_as_published() -> None:
    listed = dict(
        re.findall(
            r"^\| ([\w.-]+) \|.*\| ([0-9a-f]{64}) \|", (VENDOR / "README.md").read_text(), re.MULTILINE
        )
    )

    files = {path.name for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}}
    assert set(listed) == files
    assert {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in listed} == listed


def test_no_page_names_a_watch() -> None:
    """A fourth watch gets its pages from its descriptor."""
    subjects = {name for watch in by_domain().values() for name in (watch.subject, watch.plural)}
    pages = [*(ROOT / "console/routes").glob("*.py"), *(ROOT / "console/templates").glob("watch*.html")]

    for path in pages:
        assert not re.search(rf"[\"'/]({'|'.join(subjects)})[\"'/]", path.read_text()), path


@pytest.mark.parametrize(
    ("value", "shown"),
    [(timedelta(minutes=1), "1 minute"), (timedelta(days=1), "1 day"),
     ("https://a.example/" + "x" * 40, ">a.example ↗<"), ("x" * 41, '<span class="clip"')],
)  # fmt: skip
def test_a_value_of_a_row_is_short_and_in_words(value: object, shown: str) -> None:
    assert shown in environment().globals["m"].value({"column": value}, "column")


@pytest.mark.parametrize(
    ("url", "is_one"),
    [("https://a.example/x", True), ("http://a.example", True), ("javascript:alert(1)", False),
     ("//a.example", False), ("data:text/html,x", False), ("https://", False), (None, False)],
)  # fmt: skip
def test_only_http_addresses_become_links(url: object, is_one: bool) -> None:
    assert is_link(url) is is_one


@given(st.integers(0, 10**9))
def test_a_span_names_at_most_two_units(seconds: int) -> None:
    assert re.fullmatch(r"\d+[dhms]( \d+[hm])?", short.span(seconds))


def test_relative_times_say_which_way() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert short.relative(now - timedelta(hours=2, minutes=5), now) == "2h 5m ago"
    assert short.relative(now + timedelta(seconds=41), now) == "in 41s"


def test_options_keep_what_was_chosen_and_leave_out_defaults() -> None:
    schema = {
        "properties": {
            "least": {"type": "integer", "default": 5, "minimum": 1},
            "chains": {"type": "array", "items": {"type": "string"}, "default": ["a"]},
            "feeds": {"type": "array", "items": {"enum": ["x", "y"]}, "default": ["x"]},
            "loud": {"type": "boolean", "default": False},
        }
    }
    fields = forms.schema_fields(schema, {"chains": []})
    sent = Sent(
        [
            ("option.least", "1,500"),
            ("option.chains", ""),
            ("option.feeds", "x"),
            ("option.loud", "true"),
        ]
    )

    assert forms.options_from(fields, sent, {"chains": []}) == {
        "least": 1500,
        "chains": [],
        "loud": True,
    }


def test_what_is_no_number_goes_to_the_database_as_it_is() -> None:
    (field,) = forms.schema_fields({"properties": {"least": {"type": "integer"}}}, {})

    assert forms.parse(field, ["many"]) == "many"
