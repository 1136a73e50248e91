"""Statements of the console, one file a module: each begins with a line ``-- name: …``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import TextClause, text


@cache
def _file(name: str) -> dict[str, str]:
    parts = (Path(__file__).parent / f"{name}.sql").read_text().split("-- name: ")[1:]
    return {one.partition("\n")[0].strip(): one.partition("\n")[2] for one in parts}


def statement(file: str, name: str) -> TextClause:
    """The statement of that name in ``console/sql/FILE.sql``."""
    return text(_file(file)[name])
