"""Rules on tokens: a match when a token starts to fit, fits again, or has dropped in price.

A token that keeps fitting matches once.  It has left when it would not even fit a rule whose bounds
are wider by `MARGIN`: one that moves about a bound does not come back again and again.  A drop
matches a rule with a clause on drops (``price_drop >= 10 %``) when the clause is true.  It is counted
from the highest price since the last drop that matched, so that a price that moves about the
threshold, or falls in small steps, is one match.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tasks.discovery import token_rules, tokens
from tasks.discovery.token_rules import Key, Standing
from tasks.discovery.watch import WATCH, fields_of, title_of
from tasks.watches import evaluation, matching, nodes, rules
from tasks.watches.evaluation import Test
from tasks.watches.matching import CHANGED, NEW, PRICE_DROP, RELISTED, Found
from tasks.watches.parsed_rules import Ready

DROPS = ("price_drop", "price_drop_percent")
#: Threshold of a rule for drops alone that names none (percent).
DEFAULT_DROP = 10
#: How far behind a bound of its rule a token must be to have left, as a share of the bound.
MARGIN = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class Seen:
    """A token as a run saw it, with its price before."""

    token_id: int
    is_new: bool
    url: str | None
    old_price: Decimal | None
    now: datetime


def judge(connection: Connection, run_id: UUID | None, seen: Sequence[Seen]) -> tuple[int, int]:
    asked = [_Asked(rule) for rule in rules.active(connection, WATCH.subject)] if seen else []
    if not asked:
        return 0, 0
    ids = [one.token_id for one in seen]
    rows, known = tokens.find(connection, ids), token_rules.load(connection, ids)
    fitting: list[tuple[Ready, Found]] = []
    changed: dict[Key, Standing] = {}
    for rule in asked:
        for one in seen:
            key = rule.ready.name, one.token_id
            before = known.get(key)
            after, found = rule.look(rows[one.token_id], one, before)
            if found is not None and found.occasion in rule.ready.occasions:
                fitting.append((rule.ready, found))
            if after != (before or Standing()):
                changed[key] = after
    token_rules.save(connection, changed)
    return matching.keep(connection, run_id, WATCH, fitting)


class _Asked:
    def __init__(self, ready: Ready) -> None:
        self.ready = ready
        drops = [one for one in nodes.clauses(ready.node) if one.field in DROPS]
        self._drops: list[Test] = [evaluation.compiled(one, WATCH.fields) for one in drops]
        self._drops_alone = ready.occasions == {PRICE_DROP}
        wider = nodes.loosened(ready.node, MARGIN)
        self._nearly_fits = evaluation.compiled(wider, WATCH.fields, ready.currency)

    def look(self, row: Any, one: Seen, before: Standing | None) -> tuple[Standing, Found | None]:
        """The rule's new state for the token, and what matched, if anything."""
        known, price = before or Standing(), row.price_usd
        since = one.old_price if before is None else known.reference_price
        fields = fields_of(row, one.now, since)
        facts = evaluation.facts(fields, WATCH.fields)
        fits = self.ready.test(facts)
        fell = fits and self._fell(facts, fields)
        occasion = self._occasion(one, known, came=fits and not known.fits, fell=fell)
        told = known.told + (occasion is not None)
        is_in = fits or (known.fits and self._nearly_fits(facts))
        after = Standing(is_in, self._reference(since, price, fell=fell), told)
        if occasion is None:
            return after, None
        is_first = occasion in {NEW, CHANGED} and not known.told
        found = Found(
            subject_id=str(one.token_id),
            occasion=occasion,
            occasion_key="fits" if is_first else f"{occasion} {told}",
            title=title_of(row),
            fields=fields,
            url=one.url,
            old_price=since if fell else None,
        )
        return after, found

    def _reference(self, since: Decimal | None, price: Decimal | None, *, fell: bool) -> Decimal | None:
        if not self._drops and not self._drops_alone:
            return None
        if fell or since is None:
            return price
        return since if price is None else max(since, price)

    def _fell(self, facts: evaluation.Facts, fields: dict[str, Any]) -> bool:
        if fields["price_drop"] is None:
            return False
        if self._drops:
            return any(test(facts) for test in self._drops)
        return self._drops_alone and fields["price_drop_percent"] >= DEFAULT_DROP

    @staticmethod
    def _occasion(one: Seen, known: Standing, *, came: bool, fell: bool) -> str | None:
        if came and one.is_new:
            return NEW
        if fell:
            return PRICE_DROP
        if came:
            return RELISTED if known.told else CHANGED
        return None
