"""Rules: checked before they are saved, tried on what was stored, and why they fit or not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import Response

from console.access import Visit, VisitOf
from console.pages import layout
from console.refusals import Refusal, refuse
from tasks.watches import evaluation, parsed_rules, rules
from tasks.watches.grammar import RuleError
from tasks.watches.registry import by_subject
from tasks.watches.watch import DEFAULT_SUBJECT, Watch

router = APIRouter()
SPANS = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
#: Rows that a rule is tried on, and hits that are shown.
MAX_TRIED, MAX_SHOWN = 20_000, 50
_ONE = text("select * from rule where name = :name")


def refusal_of(error: Exception, expression: str) -> Refusal:
    """What is wrong with an expression, where, and what to write."""
    at = getattr(error, "at", None)
    where = f"{expression[:at]} ⟶ {expression[at:]}" if at is not None else None
    return Refusal(
        422, str(error), detail=where, hint=getattr(error, "hint", None), column="expression"
    )


def check(visit: VisitOf, values: Mapping[str, Any]) -> Refusal | None:
    """The refusal of a rule as a form has it; None when it can be read."""
    try:
        parsed_rules.ready(_row(values), rules.common_filters(visit.connection))
    except RuleError as error:
        return refusal_of(error, str(values.get("expression") or ""))
    except (ValueError, TypeError, AttributeError) as error:
        return Refusal(422, str(error), column="filters")
    return None


def _row(values: Mapping[str, Any]) -> Any:
    """A row of ``rule`` from values of which some are missing."""
    return SimpleNamespace(
        name=values.get("name") or "tried",
        expression=str(values.get("expression") or ""),
        grammar=2 if values.get("grammar") is None else values["grammar"],
        subject=values.get("subject") or DEFAULT_SUBJECT,
        filters=values.get("filters") or {},
        currency=values.get("currency"),
        occasions=values.get("occasions") or [],
        channels=values.get("channels"),
        baseline=True,
    )


@router.get("/rules/{name}/try")
def try_page(
    visit: Visit, name: str, expression: str = "", span: str = "7d", key: str = ""
) -> Response:
    """What a rule would have matched, and why it fits one thing or not; nothing is written."""
    row = visit.connection.execute(_ONE, {"name": name}).mappings().one_or_none()
    if row is None:
        raise refuse(404, f'there is no rule "{name}"')
    tried = {**row, "expression": expression or row["expression"]}
    watch = by_subject().get(row["subject"])
    if watch is None:
        raise refuse(404, f"no watch finds a {row['subject']}")
    refusal = check(visit, tried)
    found: list[dict[str, Any]] = []
    clauses: list[dict[str, Any]] = []
    number = 0
    if refusal is None:
        ready = parsed_rules.ready(_row(tried), rules.common_filters(visit.connection))
        found, number = _tried(visit, ready, watch, SPANS.get(span, SPANS["7d"]))
        clauses = _explained(visit, ready, watch, key) if key else []
    return layout.page(
        visit,
        "rule_try.html",
        422 if refusal else 200,
        rule=tried,
        saved=row["expression"],
        name=name,
        span=span,
        spans=list(SPANS),
        refusal=refusal,
        hits=found[:MAX_SHOWN],
        number=len(found),
        looked_at=number,
        key=key,
        clauses=clauses,
        slug=layout.slug(watch),
        watch=watch,
    )


def _rows(visit: VisitOf, watch: Watch, **given: Any) -> list[Any]:
    values = {"span": None, "key": None, "rule": None, **given}
    used = {name: value for name, value in values.items() if f":{name}" in watch.rows}
    limited = f"select * from ({watch.rows}) found limit {MAX_TRIED}"  # noqa: S608 - SQL of the descriptor
    return list(visit.connection.execute(text(limited), used))


def _tried(
    visit: VisitOf, ready: parsed_rules.Ready, watch: Watch, span: timedelta
) -> tuple[list[dict[str, Any]], int]:
    hits = []
    rows = _rows(visit, watch, span=span, rule=ready.name)
    for row in rows:
        fields = watch.fields_of(row)
        if ready.fits(watch, fields):
            shown = {name: fields.get(name) for name in watch.columns}
            hits.append({"key": str(getattr(row, watch.key)), "title": watch.title_of(row), **shown})
    return hits, len(rows)


def _explained(
    visit: VisitOf, ready: parsed_rules.Ready, watch: Watch, key: str
) -> list[dict[str, Any]]:
    if "cast(:key as bigint)" in watch.rows and not key.isdecimal():
        return []
    for row in _rows(visit, watch, key=key, rule=ready.name):
        fields = watch.fields_of(row)
        found = [
            {"clause": one.clause, "is": one.value, "fits": one.fits, "note": one.note}
            for one in evaluation.explain(ready.node, fields, watch.fields, ready.currency)
        ]
        passes = not watch.is_filtered or ready.filters.passes(fields)
        return [*found, {"clause": "filters", "is": fields.get("status"), "fits": passes, "note": None}]
    return []
