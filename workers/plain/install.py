"""Installs the ledger into a Celery application: one's own, or somebody else's."""

from typing import Any

from celery import Celery, signals

from workers import logs
from workers.execution.application import choosing_base
from workers.plain import parent, running, unreadable

#: Connected to Celery's signals by their import.
SIGNALS = (parent, unreadable)

SCHEDULER = "beat.scheduler:DatabaseScheduler"


def install(app: Celery | None = None) -> None:
    """Keep runs of plain tasks in the ledger; with ``app`` also give its workers what ours have.

    Call it once where the application is made.  Queues, broker options, routes and logging stay the
    application's, as does the base of tasks, but for kinds.  A second call changes nothing.
    """
    running.install()
    if app is None:
        return
    logs.join_logging()
    if app.conf.beat_scheduler == "celery.beat:PersistentScheduler":
        app.conf.beat_scheduler = SCHEDULER
    if type(app).task is Celery.task and "task" not in vars(app):
        vars(app)["task"] = choosing_base(app.task)
    app.steps["consumer"].add("workers.plain.worker_heartbeats:Heartbeats")
    signals.worker_process_init.connect(forked)


def forked(**_: Any) -> None:
    """A pool process must not share connections with its parent."""
    from workers import db
    from workers.connections import places
    from workers.plain import background
    from workers.upstreams import client

    places.be_of_pool()
    db.reset(close=False)
    background.forget()
    client.reset(close=False)
