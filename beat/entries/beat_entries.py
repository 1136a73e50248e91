"""`beat_entry`: entries of the code, the rows they became, and what the code said last."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow


class BeatEntry(Base):
    """One entry of `beat_schedule` of one application."""

    __tablename__ = "beat_entry"
    __table_args__ = ({"comment": "Entries of beat_schedule in code and the schedules made of them."},)

    app: Mapped[str] = mapped_column(primary_key=True, comment="Name of the application (app.main)")
    entry: Mapped[str] = mapped_column(primary_key=True, comment="Name of the entry in the code")
    schedule: Mapped[str] = mapped_column(comment="Name of the row made of it")
    definition: Mapped[dict[str, Any] | None] = mapped_column(
        comment="Columns that the code says; null: it no longer has the entry"
    )
    written: Mapped[dict[str, Any]] = mapped_column(
        comment="The same columns as the row had them when beat wrote it last"
    )
    said: Mapped[str | None] = mapped_column(
        comment="edited | deleted: what people did to the row, said once in the log"
    )
    updated_at: Mapped[DefaultNow] = mapped_column(comment="Last change by beat")


READ = """
select e.entry, e.schedule, e.definition, e.written, e.said, to_jsonb(s) as row
  from beat_entry e left join schedule s on s.name = e.schedule
 where e.app = %(app)s
"""

#: Names that rows or entries have.
TAKEN = "select name from schedule union select schedule from beat_entry"

#: Rows that earlier versions made of entries, before they kept what they wrote.
ADOPTABLE = """
select name from schedule s where name = %(name)s and task = %(task)s and note = %(note)s
   and not exists (select from beat_entry where schedule = s.name)
"""

REMEMBER = """
insert into beat_entry (app, entry, schedule, definition, written, said, updated_at)
values (%(app)s, %(entry)s, %(schedule)s, %(definition)s, %(written)s, %(said)s, clock_timestamp())
on conflict (app, entry) do update
   set schedule = excluded.schedule, definition = excluded.definition, written = excluded.written,
       said = excluded.said, updated_at = excluded.updated_at
"""

PLAIN = "select name, plain from task_kind where name = any(%(names)s)"

ROW = "select to_jsonb(s) as row from schedule s where name = %(name)s"
