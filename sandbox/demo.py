"""What ``run`` shows: three schedules that run often, and symbols the imitation knows."""

from __future__ import annotations

import json

import psycopg

NAMES = ("discovery-demo", "prices-demo", "listings-demo")
SCHEDULES = (
    (
        "discovery-demo",
        "Tokens, every half minute",
        "tasks.discovery.discover",
        "30 seconds",
        {"chains": [], "min_price_change_pct": 50, "max_token_age_hours": 168},
    ),
    (
        "prices-demo",
        "At most five prices a minute",
        "tasks.prices.refresh",
        "1 minute",
        {"max_symbols": 5, "force": True},
    ),
    (
        "listings-demo",
        "Classified ads",
        "tasks.listings.scrape",
        "20 seconds",
        {"scheduled_max_pages": 1, "initial_max_pages": 1, "rate_limit_delay_seconds": 0.5},
    ),
)


RULE = 'title contains "HD" or price < 150'


def _people(connection: psycopg.Connection) -> None:
    """A rule, a webhook and a mailbox that hear of its matches, and a look at early buyers."""
    connection.execute(
        "insert into channel (name, kind, target, upstream, incidents, note) values"
        " ('demo-webhook', 'discord', 'env:WATCHKEEPER_CHANNEL_DEMO', 'discord', false, 'demo'),"
        " ('demo-mailbox', 'email', 'you@localhost', 'mail', true, 'demo') on conflict (name) do update"
        " set target = excluded.target where channel.target = 'env:WATCHKEEPER_DEMO_WEBHOOK'"
    )
    connection.execute(
        "insert into rule (name, expression, note) values ('demo-rule', %s, 'demo') on conflict do nothing",
        (RULE,),
    )
    connection.execute(
        "insert into schedule (name, title, task, after, overlap, note) values ('profile-demo',"
        " 'Early buyers of chosen tokens', 'tasks.discovery.profile', 'discovery-demo', 'buffer_one', 'demo')"
        " on conflict (name) do nothing"
    )


def insert(url: str) -> None:
    """Insert the demo's rows; what somebody edited since stays as it is."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name, title, task, every, options in SCHEDULES:
            made = connection.execute(
                "insert into schedule (name, title, task, every, options, note)"
                " values (%s, %s, %s, %s, %s, 'demo') on conflict (name) do nothing",
                (name, title, task, every, json.dumps(options)),
            ).rowcount
            if not made:
                # Started again: nobody wants to wait for the next minute to see it go on.
                connection.execute(
                    "insert into run_request (action, schedule, note) values ('run', %s, 'the sandbox started again')",
                    (name,),
                )
        _people(connection)
        # The shipped schedules would only repeat the demo's work here.
        connection.execute(
            "update schedule set enabled = false, note = 'disabled in the sandbox: the demo schedules run instead'"
            " where name in ('surveillance', 'discovery', 'prices-nightly', 'profile') and enabled and revision <= ("
            "   select coalesce(min(revision), 0) from schedule where note = 'demo')"
        )
        connection.execute(
            "insert into watchlist_item (symbol, priority, note) values"
            " ('IBM', 50, 'recorded'), ('FB', 50, 'recorded'), ('GOOG', 50, 'recorded') on conflict do nothing"
        )
