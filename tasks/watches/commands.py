"""`celery -A workers.app watch …`: rules read, tried and explained; what the watches found.

Heavy modules are imported inside the commands: Celery loads this module for every command of its own.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from tasks.watches.watch import DEFAULT_SUBJECT, Watch
from workers.execution import cli

if TYPE_CHECKING:
    from tasks.watches.parsed_rules import Ready

against = click.option("--against", default="7d", help="period to look back over: 12h, 7d")
rule_names = cli.completion.of("rule", "select name, expression from rule order by name")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


#: Subjects that rules and matches name, and those that ship: the watches take long to import.
SUBJECTS = """
select subject, null from (select subject from rule union select subject from match
    union values ('listing'), ('token'), ('quote')) subjects order by 1
"""


class Subject(click.ParamType):  # type: ignore[type-arg]
    """The subject of a watch, as its `Watch`."""

    name = "subject"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Watch:
        from tasks.watches import registry

        found = registry.by_subject()
        if value not in found:
            near = cli.did_you_mean(str(value), found)
            self.fail(f"{value!r} is none of {', '.join(found)}.  {near}".rstrip(), param, ctx)
        return found[value]

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        return cli.completion.of("subject", SUBJECTS)(ctx, param, incomplete)


subject_option = click.option(
    "--subject", "of", type=Subject(), default=DEFAULT_SUBJECT,
    help="of an expression that is no rule's name",
)  # fmt: skip


def span_of(text: str) -> timedelta:
    """A span such as 30m, 12h, 7d, 2w."""
    found = re.fullmatch(r"(\d+)([mhdw])", text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is not a length of time: write 30m, 12h, 7d or 2w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def rule_of(connection: Any, given: str, of: Watch) -> tuple[Ready, Watch]:
    """A rule by its name, or an expression about what ``of`` finds; with its watch."""
    from tasks.watches import parsed_rules, queries, registry
    from tasks.watches.grammar import RuleError

    row = queries.rule(connection, given)
    if row is None and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", given):
        near = cli.did_you_mean(given, queries.rule_names(connection))
        cli.fail(f'there is no rule "{given}"', f"{near}All: {cli.typed('watch check')}", cli.NOT_FOUND)
    if row is None:
        row = parsed_rules.tried({"name": "(tried)", "expression": given, "subject": of.subject})
    try:
        common = queries.common_filters(connection)
        return parsed_rules.ready(row, common), registry.by_subject()[row.subject]
    except RuleError as error:
        where = f"{row.expression[: error.at]} ⟶ {row.expression[error.at :]}"
        cli.fail(str(error), error.hint, cli.REFUSED, why=where)
    except ValueError as error:
        cli.fail(f"{row.name}: {error}", "column filters of rule or global_filter", cli.REFUSED)


class WatchGroup(cli.Group):
    """Also has the commands of each watch, which are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        path = None if own else _commands().get(cmd_name)
        return resolve_name(path) if path else own


def _commands() -> dict[str, str]:
    from tasks.watches import registry

    watches = registry.by_domain().values()
    return {name: path for watch in watches for name, path in watch.commands.items()}


@click.group(cls=WatchGroup)
def watch() -> None:
    """Rules over what the watches find: check, test, explain, found; and the commands of each watch."""


@watch.command("check")
@cli.as_json
def check() -> None:
    """Read every edited rule now; exit status 1 when one is wrong."""
    from sqlalchemy import text

    from tasks.watches import rule_states

    with cli.database() as connection:
        rule_states.check_edited(connection)
        found = connection.execute(text("select * from rule_status")).mappings().all()
    columns = ("name", "state", "wrong_at", "hint", "matches", "expression")
    nothing = "no rule yet: each is a row of table rule (docs/watches/rules.md)"
    cli.show([dict(row) for row in found], columns, empty=nothing)
    if any(row["state"].startswith("wrong") for row in found):
        raise SystemExit(cli.FAILED)


@watch.command("found")
@click.argument("of", metavar="SUBJECT", type=Subject())
@against
@cli.as_json
def found(of: Watch, against: str) -> None:
    """What a watch has seen of late, newest first."""
    from tasks.watches import queries

    with cli.connect() as connection:
        rows = queries.rows_of(connection, of, span=span_of(against))
    described = [of.described(row) for row in rows]
    nothing = f"no {of.subject} was seen within {against}; longer: --against 30d"
    cli.show(described, ("key", "title", *of.columns, "url"), empty=nothing)


@watch.command("test")
@click.argument("rule", shell_complete=rule_names)
@against
@subject_option
@cli.as_json
def test(rule: str, of: Watch, against: str) -> None:
    """What a rule (its name, or an expression) would have matched; nothing is written or sent."""
    from tasks.watches import evaluation, queries

    span = span_of(against)
    with cli.connect() as connection:
        ready, of = rule_of(connection, rule, of)
        rows = [(row, of.fields_of(row)) for row in queries.rows_of(connection, of, span=span)]
    fitting = [of.described(row) for row, fields in rows if ready.fits(of, fields)]
    cli.show(fitting, ("key", "title", *of.columns, "url"))
    others = sum(
        evaluation.has_other_currency(ready.node, fields, of.fields, ready.currency)
        for _, fields in rows
    )
    if others:
        which = "has" if others == 1 else "have"
        cli.say(f"{others} {which} a price in another currency than the rule's: not compared", err=True)
    cli.say(f"{len(fitting)} of {len(rows)} seen within {against} fit", err=True)


@watch.command("explain")
@click.argument("rule", shell_complete=rule_names)
@click.argument("key")
@subject_option
@cli.as_json
def explain(rule: str, key: str, of: Watch) -> None:
    """Why a rule fits one thing found or not, clause by clause; exit status 1 when it does not.

    KEY as in watch found; of an ad also the number that its site gave it.
    """
    from tasks.watches import queries

    with cli.connect() as connection:
        ready, of = rule_of(connection, rule, of)
        rows = queries.rows_by_key(connection, of, key, ready.name)
    if len(rows) > 1:
        keys = ", ".join(str(getattr(row, of.key)) for row in rows)
        cli.fail(f"several sites have a {of.subject} {key}", f"name one by its key: {keys}", cli.USAGE)
    if not rows:
        cli.fail(
            f"there is no {of.subject} {key}",
            f"Those seen of late: {cli.typed(f'watch found {of.subject}')}",
            cli.NOT_FOUND,
        )
    fields = of.fields_of(rows[0])
    clauses, fits = ready.explained(of, fields), ready.fits(of, fields)
    title = of.title_of(rows[0])
    clauses.append({"clause": "the whole rule", "is": title, "fits": fits, "note": None})
    cli.show(clauses, ("clause", "is", "fits", "note"))
    if not fits:
        raise SystemExit(cli.FAILED)
