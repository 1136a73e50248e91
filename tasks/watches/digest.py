"""`tasks.watches.digest`: one message about the last day, when anything happened."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, TextClause, text

from tasks.watches import notices, registry
from workers.execution import NOTICES_QUEUE, Work, app, count_words, statements
from workers.ledger import Options

_SQL = {name: text(sql) for name, sql in statements(__file__).items()}
#: Runs of these tasks are not counted.
_OURS = "tasks.watches.%"


class DigestOptions(Options):
    """How far back it looks."""

    hours: int = Field(24, ge=1, le=168, description="Looks back so many hours")


def composed(connection: Connection, span: timedelta) -> str | None:
    at = {"span": span}
    runs = connection.execute(_SQL["runs"], {**at, "ours": _OURS}).one()
    parts = [
        (title, _lines(connection, query, at if query is not _SQL["quotas"] else {}))
        for title, query in (
            ("Failed", _SQL["failed"]), ("Partial", _SQL["partial"]), ("Matches", _SQL["matches"]),
            ("Quota used", _SQL["quotas"]), ("Changes", _SQL["changes"]),
        )
    ]  # fmt: skip
    if not any((runs.good, runs.partial, runs.failed, runs.missed)) and not any(
        lines for _, lines in parts
    ):
        return None
    head = (
        f"{count_words(runs.good, 'run')} well, {runs.partial} partial, {runs.failed} failed,"
        f" {runs.missed} missed, {runs.late} late; {_new(connection, span)}"
    )
    rest = [f"{title}\n" + "\n".join(f"- {line}" for line in lines) for title, lines in parts if lines]
    return "\n\n".join([head, *rest])


def _lines(connection: Connection, query: TextClause, given: Mapping[str, Any]) -> list[str]:
    """The first lines of a part, and how many there are besides."""
    rows = connection.execute(query, given).all()
    more = rows[0].lines - len(rows) if rows else 0
    return [*(row.line for row in rows), *([f"and {more:,} more"] if more else [])]


def _new(connection: Connection, span: timedelta) -> str:
    """What the watches found, as in: 3 new tokens, 12 new ads."""
    found = {row.domain: row.new for row in connection.execute(_SQL["new"], {"span": span})}
    watches = registry.by_domain().items()
    each = ((found.get(name) or 0, one.digest) for name, one in watches if one.digest)
    return ", ".join(count_words(new, words.removesuffix("s"), words) for new, words in each)


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: told on 2 channels."""
    told = counts.get("told", 0)
    return f"told on {count_words(told, 'channel')}" if told else "nothing to tell"


@app.task(
    name=__name__,
    options=DigestOptions,
    summary=summary,
    queue=NOTICES_QUEUE,
    min_every=timedelta(hours=1),
)
def digest(work: Work[DigestOptions]) -> None:
    """Send what happened in the last day: runs, failures, quota used, finds, matches, changes."""
    for item in work.items():
        with work.attempt(item), work.done(item) as connection:
            words = composed(connection, timedelta(hours=work.options.hours))
            if words is not None:
                work.count(told=_notify(connection, work, words))


def _notify(connection: Connection, work: Work[Any], words: str) -> int:
    content = {"title": "Watchkeeper: the last day", "text": words}
    told = notices.add_for_incidents(connection, f"digest {work.run_id}", content)
    if told:
        notices.ask_for_sending(connection)
    return told
