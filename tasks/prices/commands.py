"""`celery -A workers.app prices …`: the watch list, the latest prices, what is missing.

Celery loads this module for every command of its own: heavy imports stand inside the functions.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from workers.execution import cli

known_symbols = cli.completion.of(
    "symbol", "select symbol, note from watchlist_item where active order by symbol"
)


def checked(symbols: Sequence[str]) -> list[str]:
    from tasks.prices.symbols import check

    try:
        return [check(symbol) for symbol in symbols]
    except ValueError as error:
        cli.fail(str(error), None, cli.USAGE)


@click.group(cls=cli.Group)
def prices() -> None:
    """Stock prices: what is followed, what it costs, what is missing."""


@prices.group("watchlist", cls=cli.Group, invoke_without_command=True)
@click.option("--all", "everything", is_flag=True, help="also what was removed")
@cli.as_json
@click.pass_context
def watchlist_(context: click.Context, everything: bool) -> None:
    """Symbols to follow; add and remove edit the list."""
    if context.invoked_subcommand is None:
        list_watchlist(everything)


def list_watchlist(everything: bool) -> None:
    from tasks.prices import queries
    from tasks.prices.values import shown

    items = cli.read(queries.SQL["watchlist"], (everything,))
    latest = {row["symbol"]: row for row in cli.read(queries.SQL["quotes"], {"symbols": None})}
    rows: list[dict[str, Any]] = []
    for item in items:
        quote = latest.get(item["symbol"])
        price, session = (shown(quote["price"]), quote["session_date"]) if quote else (None, None)
        rows.append({**item, "price": price, "session": session})
    columns = ("symbol", "priority", "refresh_every", "active", "price", "session", "note", "outcome")
    nothing = f"no symbol is followed: {cli.typed('prices watchlist add AAPL')}"
    cli.show(rows, columns, empty=nothing)


@watchlist_.command("add")
@click.argument("symbols", nargs=-1, required=True)
@click.option("--priority", type=click.IntRange(0, 10_000), default=100, show_default=True)
@click.option("--every", type=click.FloatRange(1, 44_640), default=5, show_default=True, help="minutes")
@click.option("--note", help="reason")
@cli.as_json
def add(symbols: tuple[str, ...], priority: int, every: float, note: str | None) -> None:
    """Follow SYMBOLS; added again they keep the more urgent values."""
    from pydantic import ValidationError

    from tasks.prices import watchlist

    wanted = checked(symbols)
    try:
        refresh_every = timedelta(minutes=every)
        entries = [
            watchlist.Entry(symbol=symbol, priority=priority, refresh_every=refresh_every, note=note)
            for symbol in wanted
        ]
    except ValidationError as error:
        first = error.errors()[0]
        cli.fail(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", None, cli.USAGE)
    except ValueError as error:
        cli.fail(str(error), None, cli.USAGE)
    with cli.database() as connection:
        for entry in entries:
            watchlist.add(connection, entry)
    cli.tell(f"following {', '.join(wanted)}", following=wanted)


@watchlist_.command("remove")
@click.argument("symbols", nargs=-1, required=True, shell_complete=known_symbols)
@cli.as_json
def remove(symbols: tuple[str, ...]) -> None:
    """Follow SYMBOLS no longer; their prices stay."""
    from tasks.prices import watchlist

    with cli.database() as connection:
        wanted = checked(symbols)
        gone = [symbol for symbol in wanted if watchlist.remove(connection, symbol)]
    missing = [symbol for symbol in wanted if symbol not in gone]
    if missing:
        cli.fail(
            f"not on the watch list: {', '.join(missing)}",
            f"All: {cli.typed('prices watchlist')}",
            cli.NOT_FOUND,
        )
    cli.tell(f"no longer following {', '.join(gone)}", removed=gone)


@prices.command("quotes")
@click.argument("symbols", nargs=-1, shell_complete=known_symbols)
@cli.as_json
def quotes_(symbols: tuple[str, ...]) -> None:
    """Latest price of each symbol, to two decimals; --json has it exact."""
    from tasks.prices import queries
    from tasks.prices.values import percent_change, shown

    wanted = checked(symbols) if symbols else []
    found = cli.read(queries.SQL["quotes"], {"symbols": wanted or None})
    rows = []
    for row in found:
        change = percent_change(row["price"], row["previous_close"], 2)
        rows.append(
            {
                **row,
                "price": str(row["price"]) if cli.is_json() else shown(row["price"]),
                "change": f"{change} %" if change is not None else None,
                "session": row["session_date"],
                "fetched": row["fetched_at"].strftime("%Y-%m-%d %H:%M UTC"),
            }
        )
    nothing = (
        None if symbols else f"no price yet; to fetch some: {cli.typed('schedule run prices-nightly')}"
    )
    columns = ("symbol", "price", "change", "session", "source", "fetched")
    cli.show(rows, columns, empty=nothing)
    if missing := [symbol for symbol in wanted if symbol not in {row["symbol"] for row in rows}]:
        say_missing(missing, hint=not rows)


def say_missing(symbols: list[str], *, hint: bool) -> None:
    """Say for which symbols no price is stored, and what became of them when they were asked for."""
    from tasks.prices import queries

    known = {row["symbol"]: row for row in cli.read(queries.SQL["outcomes"], {"symbols": symbols})}
    said = [
        f"{symbol} ({known[symbol]['outcome'].replace('_', ' ')}: {known[symbol]['detail']})"
        if symbol in known
        else symbol
        for symbol in symbols
    ]
    sentence = f"no price is stored for {', '.join(said)}"
    if hint:
        to_fetch = f"To fetch prices: {cli.typed('schedule run prices-nightly')}"
        cli.fail(sentence, to_fetch, cli.NOT_FOUND)
    cli.say(sentence, err=True)


@prices.command("gaps")
@click.argument("symbols", nargs=-1, shell_complete=known_symbols)
@click.option("--days", type=click.IntRange(1, 20_000), default=30, show_default=True)
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="instead of --days")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="default: today")
@cli.as_json
def gaps(symbols: tuple[str, ...], days: int, first: datetime | None, last: datetime | None) -> None:
    """Completed sessions that are not stored; without SYMBOLS: of the active ones."""
    from tasks.prices import active, backfill
    from tasks.prices.spans import span_of

    now = datetime.now(UTC)
    start, end = first and first.date(), last and last.date()
    try:
        span = span_of(
            now.date(), duration_days=None if first else days, start_date=start, end_date=end
        )
    except ValueError as error:
        cli.fail(str(error), None, cli.USAGE)
    with cli.database() as connection:
        wanted = checked(symbols) or [one.symbol for one in active.select(connection, (), 30, now)]
        found = backfill.find_gaps(connection, wanted, span, now)
    rows = [{"symbol": symbol, **asdict(gap)} for symbol, each in found.items() for gap in each]
    cli.show(rows, ("symbol", "first", "last", "sessions"))
    if not rows:
        cli.say(f"nothing is missing from {span.first} to {span.last}", err=True)


@prices.command("health")
@cli.as_json
def health_() -> None:
    """Whether each price schedule keeps its pace; exit code 1 when one is stale."""
    from tasks.prices import queries

    with cli.connect() as connection:
        rows = queries.states(connection)
    nothing = f"no price schedule is enabled: {cli.typed('schedule list')}"
    cli.show(rows, ("schedule", "runs", "last_good_run", "state"), empty=nothing)
    if any(row["state"] == "STALE" for row in rows):
        raise SystemExit(cli.FAILED)
