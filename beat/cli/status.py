"""`schedule status`: one screen of at most 50 lines, what is wrong first."""

import sys
from dataclasses import dataclass
from typing import Any

from workers import cli
from workers.text.statements import statements
from workers.text.words import count_words

#: Lines of the screen.
MAX_LINES = 50

#: Running ones that are shown; one more is read.
MAX_RUNNING = 200

Rows = list[dict[str, Any]]
LIST = statements(__file__)["list"]


@dataclass(frozen=True)
class Section:
    """A table of the screen."""

    statement: str
    columns: tuple[str, ...]
    #: Rows that are shown at least, if there are so many.
    least: int
    #: What is counted when there are more, and the command that shows all.
    one: str
    several: str
    all_by: str
    #: What a narrow terminal goes without, in this order.
    drop: tuple[str, ...] = ()


SECTIONS = {
    "trouble": Section(
        "select * from trouble order by severity, kind, since",
        ("severity", "title", "text"), 8, "trouble", "troubles", "doctor",
    ),
    "running": Section(
        "select * from running_now limit 201",
        ("schedule", "items", "failed", "elapsed", "time_left", "waiting_for", "started_by", "id"), 4,
        "run", "runs", "schedule watch", ("started_by", "time_left", "failed"),
    ),
    "schedules": Section(
        LIST,
        ("name", "runs", "state", "last_run", "result", "next_run", "summary", "pause_reason"), 6,
        "schedule", "schedules", "schedule list", ("pause_reason", "summary", "result", "last_run"),
    ),
    "quotas": Section(
        "select * from quota_status"
        " order by used::float8 / nullif(allowed, 0) desc nulls last, upstream",
        ("upstream", "per", "used", "allowed", "share", "resets", "waiting", "blocked_because"), 4,
        "quota", "quotas", "upstream list", ("resets", "share", "blocked_because"),
    ),
    "health": Section(
        "select * from health order by state = 'ok', role, name",
        ("name", "role", "seen", "state"), 4, "process", "processes", "doctor",
    ),
}  # fmt: skip


@cli.command("status")
@cli.as_json
def status() -> None:
    """One screen; exit 1 when view trouble has an error, such as a silent beat or a late schedule."""
    with cli.connect() as connection:
        found = {key: connection.execute(one.statement).fetchall() for key, one in SECTIONS.items()}
    if cli.is_json():
        found["running"] = found["running"][:MAX_RUNNING]
        cli.print_json({key: [_plain(row) for row in rows] for key, rows in found.items()})
    elif sys.stdout.isatty():
        for line in screen(found, cli.terminal_width()):
            cli.say(line)
    else:
        rest = f"the first {MAX_RUNNING} runs; all: {cli.typed('schedule watch')}"
        for number, (key, section) in enumerate(SECTIONS.items()):
            if number:
                cli.say()
            cli.show(
                found[key],
                section.columns,
                cut=cli.Cut(MAX_RUNNING, rest) if key == "running" else None,
            )
    errors = [row["title"] for row in found["trouble"] if row["severity"] == "error"]
    if errors:
        cli.fail("; ".join(errors[:3]) + (f"; {len(errors) - 3} more" if len(errors) > 3 else ""),
             cli.typed("doctor") + " says more", cli.FAILED)  # fmt: skip


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {column: cli.plain(value) for column, value in row.items()}


def screen(found: dict[str, Rows], width: int) -> list[str]:
    """The lines; every section has its least rows, the rest of the screen goes to the first ones."""
    present = {key: section for key, section in SECTIONS.items() if found[key]}
    # A heading, a line between sections, one that says how many more, and two of the error.
    left = MAX_LINES - 3 * len(present) - 4
    shown = {key: min(len(found[key]), section.least) for key, section in present.items()}
    left -= sum(shown.values())
    for key in present:
        more = max(0, min(left, len(found[key]) - shown[key]))
        shown[key] += more
        left -= more
    lines: list[str] = []
    for key, section in present.items():
        lines += [""] if lines else []
        rows = found[key]
        lines += cli.table(rows[: shown[key]], section.columns, width, drop=section.drop, lines=1)
        hidden = len(rows) - shown[key]
        if hidden:
            than = "more than " if key == "running" and len(rows) > MAX_RUNNING else ""
            words = count_words(hidden, section.one, section.several)
            lines.append(f"… {than}{words} more: {cli.typed(section.all_by)}")
    if not found["trouble"]:
        lines = ["no trouble", "", *lines]
    return lines
