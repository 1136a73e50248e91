"""`schedule import`: schedules of another scheduler become rows, shown before anything is written."""

from typing import Any

import click

from workers import cli
from workers.text.words import count_words

#: How long the command waits for beat to plan the rows (seconds).
PATIENCE = 30.0


@cli.command("import")
@click.argument(
    "source", type=click.Choice(["django-celery-beat", "redbeat", "goatbeat", "beat-schedule"])
)
@click.option(
    "--url",
    "--module",
    "url",
    required=True,
    help="Django's or goatbeat's database, RedBeat's Redis; for beat-schedule an application or a"
    " dictionary, as in shop.celery or shop.settings:SCHEDULE",
)
@click.option(
    "--timezone",
    "zone",
    help="for redbeat, and a dictionary in code: CELERY_TIMEZONE (default: the application's)",
)
@click.option("--prefix", default="redbeat:", show_default=True, help="for redbeat: its key prefix")
@click.option("--differing", is_flag=True, help="also take what would be due at other times")
@click.option("--dry-run", is_flag=True, help="change nothing; show what would change")
@click.option("--yes", "-y", is_flag=True, help="do not ask")
@cli.as_json
def import_(
    source: str, url: str, zone: str | None, prefix: str, differing: bool, dry_run: bool, yes: bool
) -> None:
    """Take over the schedules of another scheduler; stop its beat first, let ours run."""
    from psycopg.rows import namedtuple_row

    from beat.entries.conversion import Place
    from beat.moving import moves, overdue
    from workers import logs
    from workers.plain import applications

    # What becomes of each row is shown here: beat's own lines about entries would say it twice.
    logs.configure(level="ERROR")
    place = Place.of(applications.applications()[0])
    found = _read(source, url, zone or place.timezone, prefix, running=dry_run)
    with cli.connect() as connection:
        connection.row_factory = namedtuple_row
        # Whoever is not asked need not be shown first what would be written.
        at_once = yes and not dry_run
        with connection.transaction(force_rollback=not at_once):
            moved = moves.write(connection, source, found, place, differing=differing)
        taken = _show_all(moved)
        if dry_run or not taken:
            return
        if not at_once:
            cli.confirm(f"Write {count_words(taken, 'schedule')}?", yes=yes)
            with connection.transaction():
                moved = moves.write(connection, source, found, place, differing=differing)
        written = [one for one in moved if not one.refused]
        cli.say(f"{len(written)} written", err=True)
        if not overdue.wait_for_plan(connection, written, PATIENCE):
            cli.fail(
                "no beat has planned the new schedules, so that what was due meanwhile has not run",
                f"start beat, then repeat {cli.typed('schedule import')} {source} …",
                cli.REFUSED,
            )
        missed = overdue.ask_for_missed(connection, written)
        cli.say(f"{len(missed)} were due meanwhile and run now", err=True)


def _read(source: str, url: str, zone: str, prefix: str, *, running: bool) -> Any:
    from beat.moving import from_code, from_django, from_goatbeat, from_redbeat
    from beat.moving.found import Unreadable

    try:
        if source == "redbeat":
            return from_redbeat.read(url, zone, prefix=prefix, running=running)
        if source == "beat-schedule":
            return from_code.read(url, zone)
        return (from_goatbeat if source == "goatbeat" else from_django).read(url)
    except from_redbeat.StillRunning as error:
        cli.fail(
            str(error),
            "stop it, so that nothing is sent twice; --dry-run shows all the same",
            cli.REFUSED,
        )
    except Unreadable as error:
        cli.fail(
            f"{source} cannot be read: {error}",
            f"{'--module' if source == 'beat-schedule' else '--url'} names where it is",
            cli.REFUSED,
        )


def _show_all(moved: list[Any]) -> int:
    """Each of them, and how many can be taken, which is returned."""
    if cli.is_json():
        cli.print_json([_plain(one) for one in moved])
    for one in () if cli.is_json() else moved:
        _show(one)
    taken = sum(not one.refused for one in moved)
    cli.say(f"{taken} of {len(moved)} can be taken", err=True)
    return taken


def _plain(one: Any) -> dict[str, Any]:
    taken = not one.refused
    return {
        "name": one.found.name,
        "taken": taken,
        "schedule": one.schedule if taken else None,
        "runs": one.words if taken else None,
        "refused": one.refused,
    }


def _show(one: Any) -> None:
    if one.refused:
        cli.say(f"- {one.found.name}: not taken: {one.refused}")
    else:
        cli.say(f"+ {one.found.name}: {one.schedule} runs {one.words}")
    for ours, theirs in zip([*one.ours, *[None] * 5], one.theirs, strict=False):
        same = ours is not None and abs(ours - theirs).total_seconds() < 1
        cli.say(f"    {theirs:%Y-%m-%d %H:%M:%S}  {'as before' if same else f'here: {ours}'}")


COMMANDS = (import_,)
