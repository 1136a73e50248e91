"""Rules as they are evaluated: a row of `rule` parsed, checked and compiled (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from tasks.watches import checking, evaluation, grammar, registry
from tasks.watches.evaluation import Currencies, Test
from tasks.watches.filters import Filters
from tasks.watches.grammar import RuleError
from tasks.watches.nodes import Node
from tasks.watches.watch import DEFAULT_SUBJECT, Watch

#: Rules that a process keeps parsed, with those that were edited since.
MAX_CACHED = 4096


@dataclass(frozen=True, slots=True)
class Ready:
    name: str
    node: Node
    test: Test
    filters: Filters
    occasions: frozenset[str]
    channels: tuple[str, ...] | None
    baseline: bool
    #: Currency that prices are compared in; None: the site's own.
    currency: Currencies

    def fits(self, watch: Watch, fields: Mapping[str, Any]) -> bool:
        passes = not watch.is_filtered or self.filters.passes(fields)
        return passes and self.test(evaluation.facts(fields, watch.fields))

    def explained(self, watch: Watch, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Each clause, and the filters: what was found, and whether it fits."""
        clauses = [
            {"clause": one.clause, "is": one.value, "fits": one.fits, "note": one.note}
            for one in evaluation.explain(self.node, fields, watch.fields, self.currency)
        ]
        refusing = self.filters.refusing(fields) if watch.is_filtered else []
        note = f"not passed: {', '.join(refusing)}" if refusing else None
        return [
            *clauses,
            {"clause": "filters", "is": fields.get("status"), "fits": not refusing, "note": note},
        ]


@lru_cache(maxsize=MAX_CACHED)
def parsed(
    expression: str, language: int, subject: str, currency: Currencies = None
) -> tuple[Node, Test]:
    """The rule's tree and the rule as a function; RuleError says what is wrong and where."""
    fields = registry.fields(subject)
    if not fields:
        hint = f"subjects: {', '.join(registry.by_subject())}"
        raise RuleError("unknown_subject", f"no watch finds a {subject}", hint=hint)
    node = grammar.parse(expression, fields, language)
    checking.check(node, fields)
    return node, evaluation.compiled(node, fields, currency)


def tried(given: Mapping[str, Any]) -> Any:
    """A row of `rule` that is not saved, of which some columns are given."""
    row = {
        "name": "tried", "expression": "", "grammar": 2, "subject": DEFAULT_SUBJECT, "filters": {},
        "currency": None, "occasions": [], "channels": None, "baseline": True,
    }  # fmt: skip
    known = {name: value for name, value in given.items() if name in row and value is not None}
    return SimpleNamespace(**{**row, **known})


def ready(row: Any, common: Filters) -> Ready:
    """Parse a row; RuleError (ValueError for its filters) says what is wrong."""
    currency = frozenset({row.currency.casefold()}) if row.currency else None
    node, test = parsed(row.expression, row.grammar, row.subject, currency)
    return Ready(
        row.name,
        node,
        test,
        common.overridden(row.filters),
        frozenset(row.occasions),
        None if row.channels is None else tuple(row.channels),
        row.baseline,
        currency,
    )
