"""Logins that the migrate step creates as an administrator, before the first revision.

The administrator creates roles and owns nothing.  The logins are ordinary ones: one owns the tables and
migrates, one is for beat and workers, one for people who use psql.
"""

from collections.abc import Iterator
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import DuplicateObject, UniqueViolation

from workers.connections.postgres import PLAIN_SESSION, connect_args, libpq_dsn
from workers.db import Driver
from workers.roles import FOREIGN, ROLES
from workers.settings import settings

#: Connections that beat and workers leave to people.
RESERVED = 10
#: Revokes functions for large objects, which everybody may call by default.
_LARGE_OBJECTS = """
select format('revoke execute on function %s from public', oid::regprocedure) from pg_proc
 where pronamespace = 'pg_catalog'::regnamespace
   and proname ~ '^(lo_(creat|create|from_bytea|put|open)|lowrite)$'
   and has_function_privilege('public', oid, 'execute')
"""
#: Settings of a login, for poolers, which pass no start-up options on.
_SESSION = {
    **PLAIN_SESSION, "lock_timeout": "5s", "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}  # fmt: skip
_SETTINGS = {
    "console": {**_SESSION, "statement_timeout": "30s"},
    "service": {**_SESSION, "statement_timeout": "60s"},
}
_UNLIMITED = "select name from login_without_limits"


class WrongLogin(Exception):
    """A setting names a login that cannot be made."""


class WrongDatabase(Exception):
    """A setting names a database that cannot be migrated."""


def check() -> None:
    """Whether the administrator names the database that is to be migrated, and it holds any text."""
    named = libpq_dsn(settings().database_url.get_secret_value())
    wants = conninfo_to_dict(named)
    name = wants.get("dbname") or wants.get("user")
    with _administrator() or psycopg.connect(named, **connect_args("migrate")) as connection:
        if name and connection.info.dbname != name:
            raise WrongDatabase(
                f"WATCHKEEPER_ADMIN_DATABASE_URL names database {connection.info.dbname}, which the"
                f" migrate step would give to its owner, and WATCHKEEPER_DATABASE_URL names {name}: let"
                " both name the same one, and CREATE DATABASE it first where it is missing"
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise WrongDatabase(
                f"database {name} has encoding {encoding}, which does not hold every text: make it with"
                f" CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"
            )


def wanted() -> Iterator[tuple[str, str, str]]:
    given = settings()
    for group, url in (
        ("owner", given.database_url),
        ("service", given.service_database_url),
        ("operator", given.operator_database_url),
        ("console", given.console_database_url),
    ):
        if url is not None:
            parts = conninfo_to_dict(libpq_dsn(url.get_secret_value()))
            if group == "console" and parts.get("user") != group:
                raise WrongLogin("WATCHKEEPER_CONSOLE_DATABASE_URL must name the user console")
            yield group, str(parts.get("user") or ""), str(parts.get("password") or "")


def prepare() -> None:
    """Create roles and logins and give the database to its owner, if an administrator is set."""
    connection = _administrator()
    if connection is None:
        return
    with connection:
        for name in ROLES:
            _make(connection, name, "nologin")
        connection.execute("grant service to owner")
        connection.execute("alter role console noinherit")
        connection.execute("grant viewer, operator to console")
        # For doctor, which reports who holds a lock.
        connection.execute("grant pg_read_all_stats to service, operator")
        for group, name, password in wanted():
            # An administrator that is named as one of the logins stays unchanged.
            if name and name != connection.info.user:
                _login(connection, group, name, password)
        _hand_over(connection)


def finish() -> None:
    """After the last revision: set limits of logins that people created."""
    connection = _administrator()
    if connection is None:
        return
    with connection:
        for (name,) in connection.execute(_UNLIMITED).fetchall():
            connection.execute("select limit_login(%s)", (name,))


def _administrator() -> Driver | None:
    """The administrator's connection; None without one."""
    admin = settings().admin_database_url
    if admin is None:
        return None
    dsn = libpq_dsn(admin.get_secret_value())
    return psycopg.connect(dsn, autocommit=True, **connect_args("migrate"))


def _run(connection: Driver, statement: LiteralString, *names: sql.Composable | str) -> None:
    """Run a statement about roles, whose {} are names, or values as SQL."""
    parts = [sql.Identifier(name) if isinstance(name, str) else name for name in names]
    connection.execute(sql.SQL(statement).format(*parts))


def _make(connection: Driver, name: str, how: LiteralString) -> None:
    if connection.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone():
        return
    try:
        _run(connection, "create role {} " + how, name)
    except (DuplicateObject, UniqueViolation):
        # Another database of this server is being migrated, too.
        return


def _login(connection: Driver, group: str, name: str, password: str) -> None:
    _make(connection, name, "login")
    plain = "login nosuperuser nocreatedb nocreaterole noreplication nobypassrls connection limit {}"
    _run(connection, "alter role {} " + plain, name, sql.Literal(_limit(connection, group)))
    # A role's settings do not pass to its members: each login has its own.
    _run(connection, "alter role {} set jit = off", name)
    for setting, value in _SETTINGS.get(group, {}).items():
        _run(connection, "alter role {} set {} = {}", name, setting, sql.Literal(value))
    if password:
        # Only a verifier is sent, because the server may log statements.
        verifier = connection.pgconn.encrypt_password(
            password.encode(), name.encode(), b"scram-sha-256"
        )
        _run(connection, "alter role {} password {}", name, sql.Literal(verifier.decode()))
    if group != name:
        _run(connection, "grant {} to {}", group, name)


def _limit(connection: Driver, group: str) -> int:
    if group not in {"service", "console"}:
        return RESERVED
    row = connection.execute("select current_setting('max_connections')::int").fetchone()
    number = int((row or (0,))[0])
    return max(RESERVED, number // 4 if group == "console" else number - 2 * RESERVED)


def _hand_over(connection: Driver) -> None:
    """Give the database and its objects to the owner; nobody else may create objects there."""
    database = connection.info.dbname
    _run(connection, "alter database {} owner to owner", database)
    _run(connection, "revoke create, temporary on database {} from public", database)
    _run(connection, "grant temporary on database {} to operator, service", database)
    connection.execute("alter schema public owner to pg_database_owner")
    connection.execute("revoke create on schema public from public")
    for query in (FOREIGN, _LARGE_OBJECTS):
        for (statement,) in connection.execute(query).fetchall():
            connection.execute(statement)
