"""`tasks.watches.ping`: a dead-man's switch: calls an address that alarms when the calls cease.

Healthchecks (``https://hc-ping.com/<uuid>``) and Uptime Kuma (``…/api/push/<token>``) take a GET.
A run that beat made, a message carried, a worker claimed and the database still accepts is the proof.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, text

from tasks.watches import channels
from tasks.watches.adapters.addresses import path_of
from workers.errors import WatchkeeperError
from workers.execution import NOTICES_QUEUE, Item, Work, app
from workers.ledger import Options
from workers.upstreams import CallOptions

TROUBLE = text("select title from trouble where severity = 'error' order by since nulls last limit 1")


class NotProven(WatchkeeperError):
    """The run is no proof that the system works, so nothing was called."""


class PingOptions(Options):
    channel: str = Field(description="The channel whose address is called; its secret stays with it")
    only_without_trouble: bool = Field(
        False, description="Do not call while view trouble shows an error, so that the switch alarms"
    )


def plan(work: Work[PingOptions]) -> Iterable[Item]:
    return [Item(work.options.channel)]


def summary(counts: Mapping[str, int]) -> str:
    return "called" if counts.get("calls") else "not called"


@app.task(
    name=__name__,
    options=PingOptions,
    plan=plan,
    summary=summary,
    queue=NOTICES_QUEUE,
    min_every=timedelta(seconds=10),
    max_attempts=3,
)
def ping(work: Work[PingOptions]) -> None:
    """Call the address of a dead-man's switch, after a round trip through the whole system."""
    for item in work.items():
        with work.attempt(item):
            # The batch is still this worker's, by a lock that the database has just given.
            with work.fenced() as connection:
                channel = _proven(work, connection)
            path, secrets = path_of(channel)
            work.client.get(channel.upstream, path, CallOptions(secrets=secrets))
            with work.done(item, calls=1):
                pass


def _proven(work: Work[PingOptions], connection: Connection) -> Any:
    """The channel; NotProven when the run shows less than a working system."""
    if work.schedule is None:
        raise NotProven("beat did not make this run, so it proves nothing; use a schedule")
    if work.options.only_without_trouble and (title := connection.execute(TROUBLE).scalar()):
        raise NotProven(f"the ping was left out because of: {title}")
    channel = channels.find(connection, work.options.channel)
    if channel is None:
        raise NotProven(f"there is no channel named {work.options.channel}")
    return channel
