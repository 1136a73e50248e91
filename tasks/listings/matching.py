"""Findings that rules are asked about: new listings, lower prices, those that are back or changed."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from tasks.listings.store import CHANGED, NEW, PRICE_DROP, Finding
from tasks.listings.watch import COLUMNS, TABLES, WATCH, fields_of
from tasks.watches import matching
from tasks.watches.matching import Found
from tasks.watches.watch import price_drop

_ROWS = text(f"select {COLUMNS} from {TABLES} where l.id = any(:ids)")  # noqa: S608 - names from code


def judge(
    connection: Connection, run_id: UUID | None, findings: Sequence[Finding], *, baseline: bool
) -> tuple[int, int]:
    if not findings:
        return 0, 0
    return matching.judge(connection, run_id, WATCH, _all(connection, findings, baseline=baseline))


def _all(connection: Connection, findings: Sequence[Finding], *, baseline: bool) -> Iterator[Found]:
    ids = [finding.listing_id for finding in findings]
    found = connection.execute(_ROWS, {"ids": ids}).mappings()
    rows = {row["id"]: SimpleNamespace(**row) for row in found}
    for finding in findings:
        is_first = baseline and finding.trigger == NEW
        yield _found(rows[finding.listing_id], finding, baseline=is_first)


def _found(row: Any, finding: Finding, *, baseline: bool) -> Found:
    key = finding.trigger
    if finding.trigger == PRICE_DROP:
        key = f"{key} {matching.plain(row.price)}"
    elif finding.trigger != NEW:
        key = f"{key} {row.now:%Y-%m-%d}"
    earlier: dict[str, Any] | None = None
    if finding.trigger == CHANGED and finding.before is not None:
        earlier = fields_of(SimpleNamespace(**{**vars(row), **finding.before}))
        earlier |= price_drop(None, None)
    return Found(
        subject_id=str(row.id),
        occasion=finding.trigger,
        occasion_key=key,
        title=row.title,
        fields={**fields_of(row), **price_drop(finding.old_price, row.price)},
        url=row.url,
        old_price=finding.old_price,
        baseline=baseline,
        earlier=earlier,
    )
