"""What ``run`` shows: the seeds of the watches, and a rule whose matches reach two channels."""

import json

import psycopg

from tasks.watches.registry import by_domain

SEEDS = [seed for watch in by_domain().values() for seed in watch.seeds]
#: Schedules whose first success makes ``run --until-green`` end.
NAMES = tuple(seed.name for seed in SEEDS if seed.every)
RULE = 'title contains "HD" or price < 150'


def _notices(connection: psycopg.Connection) -> None:
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


def insert(url: str) -> None:
    """Insert the demo's rows; existing ones stay unchanged."""
    with psycopg.connect(url, autocommit=True) as connection:
        for seed in SEEDS:
            made = connection.execute(
                "insert into schedule (name, title, task, every, after, overlap, options, note)"
                " values (%s, %s, %s, %s, %s, %s, %s, 'demo') on conflict (name) do nothing",
                (
                    seed.name,
                    seed.title,
                    seed.task,
                    seed.every,
                    seed.after,
                    seed.overlap,
                    json.dumps(seed.options),
                ),
            ).rowcount
            if not made and seed.every:
                # Started again: the first run need not wait for its time.
                connection.execute(
                    "insert into run_request (action, schedule, by_system, note) values ('run', %s, true, 'the sandbox started again')",
                    (seed.name,),
                )
        _notices(connection)
        # The shipped schedules would repeat the demo's work.
        connection.execute(
            "update schedule set enabled = false, note = 'disabled in the sandbox: the demo schedules run instead'"
            " where split_part(task, '.', 2) = any(%s) and note is distinct from 'demo' and enabled"
            " and revision <= (select coalesce(min(revision), 0) from schedule where note = 'demo')",
            (list(by_domain()),),
        )
        for watch in by_domain().values():
            for statement in watch.demo:
                connection.execute(statement.encode())
