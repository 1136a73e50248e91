"""`celery -A workers.app watch …`: rules read, tried and explained.

Heavy things are imported inside the commands: Celery loads this module for every command of its own.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from workers.output import (
    FAILED,
    NOT_FOUND,
    REFUSED,
    USAGE,
    database,
    fail,
    handle_db_errors,
    say,
    show,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

as_json = click.option("--json", "as_json", is_flag=True, help="one JSON array instead of a table")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span_of(text: str) -> timedelta:
    """A span such as 30m, 12h, 7d, 2w."""
    found = re.fullmatch(r"(\d+)([mhdw])", text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is no span: write 30m, 12h, 7d or 2w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def rule_of(connection: Connection, given: str, subject: str) -> tuple[Any, str]:
    """A rule by its name, or an expression tried as it is; with its subject."""
    from types import SimpleNamespace

    from tasks.watches import rules
    from tasks.watches.grammar import RuleError

    row = rules.find(connection, given)
    if row is None and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", given):
        fail(f'there is no rule "{given}"', "SELECT * FROM rule_status;", NOT_FOUND)
    if row is None:
        row = SimpleNamespace(
            name="(tried)", expression=given, grammar=2, subject=subject, filters={},
            currency=None, occasions=[], channels=None, baseline=True,
        )  # fmt: skip
    try:
        return rules.ready(row, rules.common_filters(connection)), row.subject
    except RuleError as error:
        where = f"{row.expression[: error.at]} ⟶ {row.expression[error.at :]}"
        fail(str(error), error.hint, REFUSED, why=where)


@click.group()
def watch() -> None:
    """Rules over what the watches find: check, test, explain."""


@watch.command("check")
@as_json
@handle_db_errors
def check(as_json: bool) -> None:
    """Read every edited rule now; exit status 1 when one is wrong."""
    from sqlalchemy import text

    from tasks.watches import rule_states

    with database() as connection:
        rule_states.check_edited(connection)
        found = connection.execute(text("select * from rule_status")).mappings().all()
    columns = ("name", "state", "wrong_at", "hint", "matches", "expression")
    show([dict(row) for row in found], columns, as_json=as_json)
    if any(row["state"].startswith("wrong") for row in found):
        raise SystemExit(FAILED)


@watch.command("test")
@click.argument("rule")
@click.option("--against", default="7d", help="what was seen within so long: 12h, 7d")
@click.option("--subject", type=click.Choice(["listing", "token", "quote"]), default="listing",
              help="of an expression that is no rule's name")  # fmt: skip
@as_json
@handle_db_errors
def test(rule: str, against: str, subject: str, as_json: bool) -> None:
    """What a rule (its name, or an expression) would have matched; nothing is written or sent."""
    from tasks.watches import evaluation, trying

    span = span_of(against)
    with database() as connection:
        ready, subject = rule_of(connection, rule, subject)
        rows = trying.known(connection, subject, span=span)
    fitting = []
    seen = [trying.fields_of(subject, row) for row in rows]
    for row, fields in zip(rows, seen, strict=True):
        passes = subject != "listing" or ready.filters.passes(fields)
        if passes and ready.test(evaluation.facts(fields, subject)):
            fitting.append({
                "key": row.symbol if subject == "quote" else row.id,
                "title": trying.title_of(subject, row),
                "price": fields["price"], "currency": fields.get("currency"),
                "url": fields.get("url"),
            })  # fmt: skip
    columns = ("key", "title", "price", "currency", "url")
    show(fitting, columns if subject == "listing" else (*columns[:3], "url"), as_json=as_json)
    others = sum(
        subject == "listing" and evaluation.has_other_currency(ready.node, one, ready.currency)
        for one in seen
    )
    if others:
        say(f"{others} have a price in another currency than the rule means: not compared", err=True)
    say(f"{len(fitting)} of {len(rows)} seen within {against} fit", err=True)


@watch.command("explain")
@click.argument("rule")
@click.argument("key", type=int)
@click.option("--subject", type=click.Choice(["listing", "token"]), default="listing")
@as_json
@handle_db_errors
def explain(rule: str, key: int, subject: str, as_json: bool) -> None:
    """Why a rule fits a listing (or token) or not, clause by clause; exit status 1 when it does not."""
    from tasks.watches import evaluation, trying

    with database() as connection:
        ready, subject = rule_of(connection, rule, subject)
        if subject == "quote":
            fail("rules on quotes are explained by: watch test", None, USAGE)
        rows = trying.known(connection, subject, number=key, rule=ready.name)
    if not rows:
        fail(f"there is no {subject} {key}", None, NOT_FOUND)
    fields = trying.fields_of(subject, rows[0])
    told = [
        {"clause": one.clause, "is": one.value, "fits": one.fits, "note": one.note}
        for one in evaluation.explain(ready.node, fields, subject, ready.currency)
    ]
    passes = subject != "listing" or ready.filters.passes(fields)
    told.append({"clause": "filters", "is": fields.get("status"), "fits": passes, "note": None})
    fits = passes and ready.test(evaluation.facts(fields, subject))
    told.append({"clause": "the whole rule", "is": None, "fits": fits, "note": None})
    show(told, ("clause", "is", "fits", "note"), as_json=as_json)
    if not fits:
        raise SystemExit(FAILED)
