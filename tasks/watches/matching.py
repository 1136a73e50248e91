"""Makes matches and notices of what a watch found, in the transaction that stores it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tasks.watches import evaluation, matches, notices, rules
from tasks.watches.parsed_rules import Ready
from tasks.watches.watch import Watch
from workers.execution import computing

NEW, PRICE_DROP, RELISTED, CHANGED = rules.OCCASIONS


@dataclass(frozen=True, slots=True)
class Found:
    """Something new or changed, with its fields as rules know them."""

    subject_id: str
    occasion: str
    occasion_key: str
    title: str
    fields: Mapping[str, Any]
    #: For people, beside the fields.
    url: str | None = None
    old_price: Decimal | None = None
    #: Found by a first scrape: only rules with ``baseline`` match it.
    baseline: bool = False
    #: Its fields before it changed: rules that they fitted do not match it again.
    earlier: Mapping[str, Any] | None = None


def judge(
    connection: Connection, run_id: UUID | None, watch: Watch, found: Iterable[Found]
) -> tuple[int, int]:
    """Test every active rule on each finding; returns how many matches and notices that made.

    Without a rule ``found`` is not looked at.
    """
    asked = rules.active(connection, watch.subject)
    if not asked:
        return 0, 0
    rows = list(found)
    with computing():
        fitting = [(rule, one) for one in rows for rule in _fitting(asked, watch, one)]
    return keep(connection, run_id, watch, fitting) if fitting else (0, 0)


def keep(
    connection: Connection, run_id: UUID | None, watch: Watch, fitting: Sequence[tuple[Ready, Found]]
) -> tuple[int, int]:
    """Store matches with their notices; returns how many of each are new."""
    rows = [_row(run_id, watch.subject, rule, one) for rule, one in fitting]
    by_name = {rule.name: rule for rule, _ in fitting}
    new = matches.add(connection, rows)
    told = sum(notices.add_for_match(connection, match, by_name[rule].channels) for match, rule in new)
    if told:
        notices.ask_for_sending(connection)
    return len(new), told


def _fitting(asked: Sequence[Ready], watch: Watch, one: Found) -> list[Ready]:
    facts = evaluation.facts(one.fields, watch.fields)
    fitting = [
        rule
        for rule in asked
        if one.occasion in rule.occasions
        and (rule.baseline or not one.baseline)
        and (not watch.is_filtered or rule.filters.passes(one.fields))
        and rule.test(facts)
    ]
    earlier = one.earlier
    return fitting if earlier is None else [rule for rule in fitting if not rule.fits(watch, earlier)]


def _row(run_id: UUID | None, subject: str, rule: Ready, one: Found) -> dict[str, Any]:
    facts = {name: plain(value) for name, value in one.fields.items() if value is not None}
    facts |= {"url": one.url, "old_price": plain(one.old_price)}
    return {
        "rule": rule.name,
        "subject": subject,
        "subject_id": one.subject_id,
        "occasion": one.occasion,
        "occasion_key": one.occasion_key,
        "title": one.title,
        "facts": {name: value for name, value in facts.items() if value is not None},
        "run_id": run_id,
    }


def plain(value: Any) -> Any:
    """A value for JSON; exact numbers become text."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, datetime) else value
