"""`python -m workers.migrate`: updates the database to this code: tables, tasks, roles.

``--plan`` prints the revisions that would run and changes nothing.  ``--wait`` waits until another
process has run them.
"""

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import psycopg
import structlog
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError

from workers import logs, roles
from workers.calendars import timezones
from workers.db import transaction
from workers.execution.task import Task
from workers.installation import logins
from workers.installation.domains import domains
from workers.installation.domains import register as register_domains
from workers.installation.installed import MIGRATIONS, REFUSED
from workers.ledger import kinds
from workers.plain import applications, signatures
from workers.plain.signatures import PlainKind
from workers.settings import settings

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")

#: Pause of ``--wait`` between two looks, and between two attempts at a step that others' locks stopped
#: (seconds).
WAIT_SECONDS = 1.0
#: What stopped it passes, and the step was rolled back: deadlock_detected, lock_not_available.
LOCKED = ("40P01", "55P03")
#: Attempts at one step: each waits 5 s for a lock, so that what works meanwhile queues for no longer.
ATTEMPTS = 10


#: In a new database: schedules that the first revision brings, where no application has their tasks.
WITHOUT_TASKS = """
update schedule set enabled = false, note = 'no application of WATCHKEEPER_APP has its task'
 where enabled and task in (select name from task_kind where retired_at is not null)
"""


class UnknownRevision(Exception):
    """The database was migrated by other code."""


def run_sql(statements: str) -> None:
    """Run the text of a revision inside the current migration; it may hold many statements."""
    from alembic import context, op

    # A function may be made before the tables and functions that its body names.
    op.execute("set local check_function_bodies = off")
    if context.is_offline_mode():
        op.execute(text(statements.replace(":", r"\:")))
        return
    op.get_bind().connection.cursor().execute(statements)


def alembic_config() -> Config:
    """Alembic's settings, with the folders of revisions that domains bring."""
    brought = [str(one.revisions) for one in domains().values() if one.revisions]
    options = {"script_location": str(MIGRATIONS), "path_separator": "os"}
    if brought:
        options["version_locations"] = os.pathsep.join([str(MIGRATIONS / "versions"), *brought])
    config = Config()
    for name, value in options.items():
        # Alembic reads them as a template.
        config.set_main_option(name, value.replace("%", "%%"))
    return config


def registered() -> list[Task | PlainKind]:
    """Every task of the applications, plain ones as `task_kind` shows them."""
    found: dict[str, Task | PlainKind] = {}
    for app in applications.applications():
        found |= {one.name: one for one in signatures.plain_kinds(app)}
        found |= {
            task.name: task
            for _, task in sorted(app.tasks.items())
            if isinstance(task, Task) and not task.__module__.startswith(("celery.", "pytest_celery."))
        }
    return list(found.values())


def pending(config: Config) -> list[Script]:
    """Revisions that the database lacks, in the order they run.

    UnknownRevision when the database has a revision that this code does not have.
    """
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    with transaction() as connection:
        heads = MigrationContext.configure(connection).get_current_heads()
    unknown = sorted(set(heads) - known)
    if unknown:
        raise UnknownRevision(
            f"the database is at revision {', '.join(unknown)}, which this code does not know."
            " If a newer release made it, run that release. If a development version from before the"
            " first release made it: save its schedules with that version (celery -A workers.app"
            " schedule export --file schedules.yml), create an empty database, migrate it, then"
            " celery -A workers.app schedule apply schedules.yml"
        )
    return list(reversed(list(script.iterate_revisions("heads", heads or "base"))))


def upgrade(config: Config, *, plan: bool) -> list[str]:
    """Run every pending revision and log how long each took; with ``plan`` print them only."""
    revisions = pending(config)
    if plan:
        lines = [f"{revision.revision}  {revision.doc}" for revision in revisions]
        print("\n".join(lines) if lines else "nothing to do: the database is up to date")
        return []
    # One reading of the folders serves all: `alembic upgrade` would read them for each.
    script = ScriptDirectory.from_config(config)
    for revision in revisions:
        began = time.monotonic()
        again(partial(_run, config, script, revision.revision))
        log.info(
            "revision.done", revision=revision.revision, seconds=round(time.monotonic() - began, 2)
        )
    return [revision.revision for revision in revisions]


def again(step: Callable[[], T]) -> T:
    """``step``, a transaction, again while others hold locks that it needs: beats and workers go on."""
    left = ATTEMPTS
    while True:
        try:
            return step()
        except (OperationalError, psycopg.OperationalError) as error:
            said: Any = getattr(error, "orig", error)
            left -= 1
            if not left or said.sqlstate not in LOCKED:
                raise
            log.warning("migrate.again", error=str(said).partition("\n")[0], attempts_left=left)
        time.sleep(WAIT_SECONDS)


def _run(config: Config, script: ScriptDirectory, revision: str) -> None:
    """As `alembic upgrade` does."""

    def steps(now: Any, _: MigrationContext) -> Any:
        return script._upgrade_revs(revision, now)  # noqa: SLF001 - Alembic's recipe for it

    with EnvironmentContext(config, script, fn=steps, destination_rev=revision):
        script.run_env()


def wait(config: Config) -> None:
    """Wait until another process has run every revision; meanwhile Postgres may be out of reach."""
    said = ""
    while True:
        try:
            left = pending(config)
            waits_for = ", ".join(revision.revision for revision in left)
        except (OperationalError, ProgrammingError) as error:
            waits_for = str(error.orig).strip()
        if not waits_for:
            return
        if waits_for != said:
            log.info("migrate.waiting", waits_for=waits_for)
            said = waits_for
        time.sleep(WAIT_SECONDS)


def register(*, is_new: bool = False) -> tuple[int, list[str]]:
    """Write kinds, time zones and grants: the number of kinds, and what an administrator must run."""
    with transaction() as connection:
        timezones.register(connection)
        register_domains(connection)
        number = kinds.register(connection, registered(), relaxed=settings().relax_intervals)
        if is_new:
            connection.execute(text(WITHOUT_TASKS))
        tables = {name: may for one in domains().values() for name, may in one.tables.items()}
        return number, roles.register(connection, tables)


def read_arguments(arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(
        prog="python -m workers.migrate", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--plan", action="store_true", help="print the revisions that would run; change nothing"
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait until another process has migrated; change nothing"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] = ()) -> int:
    """Migrate and register.

    Exit status 0; 1 when Postgres is out of reach; REFUSED when the database belongs to other code.
    """
    chosen = read_arguments(arguments)
    (logs.configure if chosen.plan else logs.configure_service)()
    config = alembic_config()
    try:
        if chosen.wait:
            wait(config)
            return 0
        logins.check()
        if not chosen.plan:
            logins.prepare()
        done = upgrade(config, plan=chosen.plan)
        if chosen.plan:
            return 0
        number, refused = again(partial(register, is_new="initial" in done))
        logins.finish()
    except UnknownRevision as error:
        log.error("migrate.refused", error=str(error))
        return REFUSED
    except (logins.WrongLogin, logins.WrongDatabase) as error:
        log.error("migrate.refused", error=str(error))
        return 1
    except (OperationalError, psycopg.OperationalError) as error:
        words = error.orig if isinstance(error, OperationalError) else error
        log.error("migrate.failed", error=str(words).strip())
        return 1
    if refused:
        log.warning(
            "roles.missing", why="this login may not make them", administrator_runs="; ".join(refused)
        )
    log.info("migrate.done", kinds=number)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
