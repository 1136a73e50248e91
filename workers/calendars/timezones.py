"""`timezone_name`: every zone that beat knows, so that the database can refuse others."""

from zoneinfo import available_timezones

from sqlalchemy import Connection, text


def register(connection: Connection) -> None:
    connection.execute(
        text("insert into timezone_name select unnest(cast(:names as text[])) on conflict do nothing"),
        {"names": sorted(available_timezones())},
    )
