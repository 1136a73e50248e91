"""`machine_lock`: one row a name, locked by those of the program who must take turns.

Advisory locks are everybody's: any login, also one that may only read, could take one and never give it
back.  A row of a table that only the machine may write can be locked by the machine alone.
"""

from workers.db import Driver, execute

#: Locks also rows that are there already, and changes none; in one order, so that no two deadlock.
WAIT = """
insert into machine_lock (name) select name from unnest(%(names)s::text[]) as name order by name
on conflict (name) do update set name = excluded.name where false
"""


def wait_for(connection: Driver, *names: str) -> None:
    """Lock ``names`` for this transaction, after whoever has them now."""
    execute(connection, WAIT, {"names": list(names)})


TRY = "select from machine_lock where name = %(name)s for update skip locked"
CREATE = "insert into machine_lock (name) values (%(name)s) on conflict do nothing"


def try_for(connection: Driver, name: str) -> bool:
    if connection.execute(TRY, {"name": name}).rowcount:
        return True
    return connection.execute(CREATE, {"name": name}).rowcount > 0
