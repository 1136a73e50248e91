"""Database roles viewer, operator, service, owner, console: grants (roles.sql); a guard with reasons.

Run by every migrate, so that a table that a later migration brings is guarded and granted too.  People
log in under names of their own that are members of a role; the audit then names a person.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from workers.text.statements import statements

_SQL = statements(__file__)
#: Query of statements that give objects to the owner.
FOREIGN = _SQL["foreign"]

ROLES = {
    "viewer": "reads everything",
    "operator": "also edits schedules, limits and watch lists, and requests runs",
    "service": "beat and workers: reads and writes every row",
    "owner": "owns every table; migrations",
    "console": "the console's login: acts as viewer or operator for the person it has logged in",
}

#: Tables that people own, and what an operator may do there; domains add their own.
#: Every other table is the machine's.
PEOPLE = {
    "schedule": "insert update delete",
    "run_request": "insert",
    "pause_switch": "update",
    "upstream": "insert update",
    "quota": "insert update delete",
    "market": "insert update",
    "rule": "insert update delete",
    "global_filter": "update",
    "channel": "insert update delete",
    "notice": "insert update",
    "worker_group": "insert update delete",
    "queue": "insert delete",
}

#: Columns of those tables that an operator may not change, with the hint.
FROZEN = {
    "schedule": (
        "A trigger writes them; every other column of schedule may be changed but name and task.",
        ("revision", "updated_at", "updated_by"),
    ),
    "upstream": (
        "Where calls go, and keys with them, an owner decides; concurrency, spacing, note … are yours.",
        ("name", "base_url"),
    ),
}

#: Tables that people own and whose rows say themselves who made them.
_NOT_AUDITED = frozenset({"run_request", "notice"})

#: Condition of the guard: not for beat and workers; null without the roles.
GUARDED = "not pg_has_role(to_regrole('service'), 'usage')"

#: Tables that only an owner may write.
OWNED = ("allowed_network", "partitioned_table")

_HINTS = {
    "allowed_network": "An owner decides which private networks calls may reach: ask one.",
    "partitioned_table": "Only a migration can make a table partitioned.",
    "run": "To stop or repeat one: SELECT stop_run(id); SELECT retry_run(id);",
    "batch": "To stop or repeat its run: SELECT stop_run(run_id); SELECT retry_run(run_id);",
    "run_request": "A request cannot be changed; to end its run: SELECT stop_run(id);",
    "pause_switch": "SELECT pause_all('why'); SELECT resume_all();",
    "upstream": "To stop calls: UPDATE upstream SET enabled = false, note = 'why' WHERE name = '…';",
    "schedule_state": "Edit schedule, and beat plans it anew; to end a pause: SELECT resume(name);",
    "permit": "Limits are rows of quota: UPDATE quota SET calls = …;",
    "upstream_state": "A block ends by itself; sooner: SELECT unblock(upstream, 'why'); limits: quota.",
    "task_kind": "Kinds are written from the code by python -m workers.migrate.",
    "change": "The audit is written by triggers alone; to undo one: SELECT undo_change(id);",
    "run_count": "Beat counts runs as they end.",
}


_AUDITS = (
    ("audit_inserted", "insert", "new table as new_rows"),
    ("audit_deleted", "delete", "old table as old_rows"),
    ("audit_updated", "update", "old table as old_rows new table as new_rows"),
)


def register(connection: Connection, tables: Mapping[str, str]) -> list[str]:
    """Make the roles, grant, guard; returns the statements that an administrator must run.

    ``tables``: those of domains that people own.  Where the roles cannot be made (managed Postgres)
    nothing is guarded, and the statements that were refused are returned.
    """
    _audit(connection, {**PEOPLE, **tables}.keys() - _NOT_AUDITED | {*OWNED, "console.person"})
    refused = [
        statement for statement in _role_statements(connection) if not _try(connection, statement)
    ]
    present = set(connection.execute(text("select rolname from pg_roles")).scalars())
    if not present >= ROLES.keys():
        return refused
    connection.exec_driver_sql(_SQL["grants"])
    for name in OWNED:
        connection.exec_driver_sql(f"revoke insert, update, delete on {name} from service")
    _guard(connection, {**PEOPLE, **tables})
    mine = "select pg_has_role(current_user, 'owner', 'usage')"
    if connection.execute(text(mine)).scalar_one():
        for statement in connection.execute(text(FOREIGN)).scalars().all():
            connection.execute(text(statement))
    return refused


def _role_statements(connection: Connection) -> list[str]:
    present = set(connection.execute(text("select rolname from pg_roles")).scalars())
    made = [f"create role {name} nologin" for name in ROLES if name not in present]
    if "owner" not in present:
        made += ["grant owner to current_user", "grant service to owner"]
    if "console" not in present:
        # It inherits nothing: each of its transactions says as whom it acts.
        made += ["alter role console noinherit", "grant viewer, operator to console"]
    return made + list(connection.execute(text(_SQL["compiling"])).scalars())


def _try(connection: Connection, statement: str) -> bool:
    try:
        with connection.begin_nested():
            connection.execute(text(statement))
    except DBAPIError as error:
        # 42710, 23505: another database of this server was migrated at the same time.
        return getattr(error.orig, "sqlstate", "") in {"42710", "23505"}
    return True


def _audit(connection: Connection, tables: Iterable[str]) -> None:
    """Create the triggers that write each edit of these tables into `change`."""
    present = set(connection.execute(text(_SQL["audited"])).scalars())
    for name in sorted(set(tables) - present):
        for trigger, event, rows in _AUDITS:
            connection.exec_driver_sql(
                f"create or replace trigger {trigger} after {event} on {name} referencing {rows}"
                " for each statement execute function audit()"
            )


def _guard(connection: Connection, people: Mapping[str, str]) -> None:
    """Create a guard on each table, then the grant that makes an operator reach it."""
    for name, is_table, present in connection.execute(text(_SQL["tables"])).all():
        if not is_table:
            continue
        arguments = (people.get(name, "owner" if name in OWNED else ""), _hint(name, people))
        if bytes(present or b"") != b"".join(one.encode() + b"\0" for one in arguments):
            quoted = ", ".join(_quoted(one) for one in arguments)
            connection.exec_driver_sql(
                f"create or replace trigger guard before insert or update or delete on {name}"
                f" for each statement when ({GUARDED}) execute function guard({quoted})"
            )
        connection.exec_driver_sql(f"grant insert, update, delete on {name} to operator")
    for name, (hint, columns) in FROZEN.items():
        quoted = ", ".join(_quoted(one) for one in (hint, *columns))
        touched = " or ".join(f"old.{one} is distinct from new.{one}" for one in columns)
        connection.exec_driver_sql(
            f"create or replace trigger guard_columns before update on {name}"
            f" for each row when ({GUARDED} and ({touched})) execute function guard_columns({quoted})"
        )

    # Logins are sent to mail servers, so an operator must not add one.
    connection.exec_driver_sql(
        "create or replace trigger guard_mail_server after insert on upstream for each row"
        f" when ({GUARDED} and new.base_url ~* '^\\s*smtp') execute function"
        f" guard_columns({_quoted('An owner adds mail servers: logins are sent to them.')}, 'base_url')"
    )


def _hint(name: str, people: Mapping[str, str]) -> str:
    return _HINTS.get(name, f"Operators may change: {', '.join(sorted(people))}.")


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
