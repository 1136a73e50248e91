"""Rules: checked before they are saved, tried on what was stored, and why they fit or not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import Response

from console import rows
from console.access import Visit, VisitOf
from console.queries import found
from console.refusals import Refusal, refuse
from console.templating import render
from tasks.watches import parsed_rules
from tasks.watches.grammar import RuleError
from tasks.watches.parsed_rules import Ready
from tasks.watches.registry import by_subject
from tasks.watches.rules import common_filters
from tasks.watches.watch import Watch

router = APIRouter()
SPANS = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
#: Rows that a rule is tried on, and hits that are shown.
MAX_TRIED, MAX_SHOWN = 20_000, 50


def check(visit: VisitOf, values: Mapping[str, Any]) -> Ready | Refusal:
    """A rule as a form has it; or what is wrong, where, and what to write."""
    try:
        return parsed_rules.ready(parsed_rules.tried(values), common_filters(visit.connection))
    except RuleError as error:
        written = str(values.get("expression") or "")
        where = f"{written[: error.at]} ⟶ {written[error.at :]}"
        return Refusal(422, str(error), detail=where, hint=error.hint, column="expression")
    except (ValueError, TypeError, AttributeError) as error:
        return Refusal(422, str(error), column="filters")


@router.get("/rules/{name}/try")
def try_page(
    visit: Visit, name: str, expression: str = "", span: str = "7d", key: str = ""
) -> Response:
    """What a rule would have matched, and why it fits one thing or not; nothing is written."""
    row = rows.present(rows.get(visit.connection, "rule", {"name": name}), "rule", {"name": name})
    tried = {**row, "expression": expression or row["expression"]}
    watch = by_subject().get(row["subject"])
    if watch is None:
        raise refuse(404, f"no watch finds a {row['subject']}")
    ready = check(visit, tried)
    hits: list[dict[str, Any]] = []
    clauses: list[dict[str, Any]] = []
    seen: list[Any] = []
    if isinstance(ready, Ready):
        seen = _seen(visit, watch, SPANS.get(span, SPANS["7d"]), name)
        hits = [watch.described(one) for one in seen if ready.fits(watch, watch.fields_of(one))]
        asked = found.one(visit.connection, watch, key, name) if key else None
        clauses = ready.explained(watch, watch.fields_of(asked)) if asked is not None else []
    return render(
        visit,
        "rule_try.html",
        refusal=ready if isinstance(ready, Refusal) else None,
        rule=tried,
        saved=row["expression"],
        name=name,
        span=span,
        spans=list(SPANS),
        hits=hits[:MAX_SHOWN],
        number=len(hits),
        looked_at=len(seen),
        key=key,
        clauses=clauses,
        slug=watch.slug,
        watch=watch,
    )


def _seen(visit: VisitOf, watch: Watch, span: timedelta, rule: str) -> list[Any]:
    """Rows of a watch as the rule sees them now."""
    limited = f"select * from ({watch.rows}) found limit {MAX_TRIED}"  # noqa: S608 - SQL of the descriptor
    given = {"span": span, "key": None, "rule": rule}
    return list(visit.connection.execute(text(limited), given))
