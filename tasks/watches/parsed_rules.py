"""Rules as they are evaluated: a row of `rule` parsed, checked and compiled (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tasks.watches import checking, evaluation, grammar, registry
from tasks.watches.evaluation import Currencies, Test
from tasks.watches.filters import Filters
from tasks.watches.grammar import RuleError
from tasks.watches.nodes import Node
from tasks.watches.watch import Watch


@dataclass(frozen=True, slots=True)
class Ready:
    """A parsed rule."""

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
        """Whether the rule, its filters included, fits what ``watch`` found."""
        passes = not watch.is_filtered or self.filters.passes(fields)
        return passes and self.test(evaluation.facts(fields, watch.fields))


@cache
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
