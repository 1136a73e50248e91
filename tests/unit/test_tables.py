"""Tables for a terminal: no line is wider than it, no word is broken, columns go in a fixed order."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from workers.cli import tables
from workers.cli.commands import Command, Group
from workers.cli.output import show

WORDS = st.text("abcdefgh é世界ü", max_size=40)
ROWS = st.lists(
    st.fixed_dictionaries(dict.fromkeys(("name", "state", "note"), WORDS)), min_size=1, max_size=6
)


def printed(
    rows: list[dict[str, str]], columns: tuple[str, ...], width: int, limit: int = 99
) -> list[str]:
    made = tables.plan(rows, columns, width)
    return [
        str(line)
        for line in (
            tables.head_of(made),
            *(x for row in rows for x in tables.lines_of(row, made, limit=limit)),
        )
    ]


@given(ROWS, st.integers(40, 130))
def test_no_line_is_wider_than_the_terminal(rows: list[dict[str, str]], width: int) -> None:
    assert max(map(cell_len, printed(rows, ("name", "state", "note"), width))) <= width


@given(ROWS, st.integers(60, 130))
def test_every_word_that_is_printed_is_a_word_of_its_row(
    rows: list[dict[str, str]], width: int
) -> None:
    # Wide characters are words of their own.
    narrow = re.compile("[^ 世界]+")
    known = narrow.findall(" ".join(" ".join(row.values()) for row in rows))
    for line in printed(rows, ("name", "state", "note"), width)[1:]:
        assert set(narrow.findall(line)) <= set(known)


def test_columns_are_left_out_in_their_order_and_empty_ones_always() -> None:
    row = {"name": "a" * 20, "summary": "b" * 20, "note": "c" * 20, "empty": ""}
    columns = tuple(row)

    assert list(tables.plan([row], columns, 100, ("note", "summary")).widths) == [
        "name",
        "summary",
        "note",
    ]
    narrow = tables.plan([row], columns, 50, ("note", "summary"))
    assert list(narrow.widths) == ["name", "summary"]
    assert narrow.left_out == ("note",)
    assert list(tables.plan([row], columns, 30, ("note", "summary")).widths) == ["name"]


def test_without_an_order_columns_go_from_the_right_and_the_first_stays() -> None:
    row = {"name": "a" * 50, "x": "b" * 10, "y": "c" * 10}
    assert list(tables.plan([row], tuple(row), 62).widths) == ["name", "x"]
    assert list(tables.plan([row], tuple(row), 40).widths) == ["name"]


def test_a_long_text_ends_with_an_ellipsis_after_a_word() -> None:
    assert tables.wrapped("one two three four five six", 9, 2) == ["one two", "three …"]


def test_wide_characters_take_two_cells() -> None:
    rows = [{"name": "日本語", "state": "on"}, {"name": "abc", "state": "on"}]
    lines = printed(rows, ("name", "state"), 80)

    assert [cell_len(line.partition("on")[0]) for line in lines[1:]] == [8, 8]


def test_ids_are_as_short_as_they_can_be_told_apart() -> None:
    assert tables.short_ids(["12345678-aaaa", "22345678-aaaa"]) == {
        "12345678-aaaa": "12345678",
        "22345678-aaaa": "22345678",
    }
    assert list(tables.short_ids(["12345678-aaaa", "12345678-abbb", "22345678-aaaa"]).values()) == [
        "12345678-aa",
        "12345678-ab",
        "22345678",
    ]


@given(st.lists(st.uuids().map(str), max_size=20))
def test_short_ids_are_prefixes_that_name_one_id_each(ids: list[str]) -> None:
    for one, short in tables.short_ids(ids).items():
        assert {other for other in ids if other.startswith(short)} == {one}
        assert len(short) >= 8


def test_numbers_stand_right_also_beside_a_row_without_one() -> None:
    from workers.cli.output import table

    rows = [{"name": "a", "allowed": 1000}, {"name": "b", "allowed": None}, {"name": "c", "allowed": 5}]

    assert table(rows, ("name", "allowed"), 80)[1:] == ["a        1000", "b", "c           5"]


def test_a_command_whose_output_is_closed_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    listed = Group("ours", commands=[Command("list", callback=lambda: show([{"a": 1}], ["a"]))])

    listed.main(["list"], standalone_mode=False)
