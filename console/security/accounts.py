"""What the owner's commands do about people."""

from __future__ import annotations

from typing import Any

from workers.cli import NOT_FOUND, connect, fail

_LISTED = """
select p.name, p.role, p.disabled, count(s.hash) as sessions, max(s.seen_at) as seen_at,
       (select count(*) from console.api_token t where t.person = p.name) as tokens
  from console.person p left join console.session s on s.person = p.name
 group by p.name order by p.name
"""
_CHANGE = """
update console.person set role = coalesce(%s, role), password = coalesce(%s, password),
       disabled = coalesce(%s, disabled) where name = %s
"""
_LINK = """
insert into console.login_link (hash, person, expires_at)
values (%s, %s, clock_timestamp() + %s * interval '1 minute')
"""


def add(name: str, role: str, password: str | None) -> None:
    with connect() as connection:
        connection.execute(
            "insert into console.person (name, role, password) values (%s, %s, %s)",
            (name, role, password),
        )


def change(name: str, *, role: str | None, password: str | None, disabled: bool | None) -> None:
    with connect() as connection:
        done = connection.execute(_CHANGE, (role, password, disabled, name))
        _require(done.rowcount, name)


def remove(name: str) -> None:
    with connect() as connection:
        _require(
            connection.execute("delete from console.person where name = %s", (name,)).rowcount, name
        )


def listed() -> list[dict[str, Any]]:
    with connect() as connection:
        found: list[dict[str, Any]] = connection.execute(_LISTED).fetchall()
    return found


def _require(number: int, name: str) -> None:
    if number == 0:
        fail(f'no person named "{name}"', "celery console person list", NOT_FOUND)
