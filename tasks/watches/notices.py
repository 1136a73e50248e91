"""`notice`: the outbox; one row a message to a person, written with what it tells of."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    ForeignKey,
    Index,
    Select,
    UniqueConstraint,
    case,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, SmallInteger

from tasks.watches.channels import Channel
from workers.db import Base, DefaultNow, RowId
from workers.errors import redact

#: Notices in one message (Discord takes no more embeds).
MAX_TOGETHER = 10
#: Notices that a gathering message holds at most.
MAX_GATHERED = 200
#: With its values in it, so that the partial index serves it.
_IS_OPEN = text("state in ('waiting', 'sending')")
#: Refusals after which a notice is given up.
MAX_ATTEMPTS = 8


class Notice(Base):
    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("channel", "key"),
        Index("notice_open", "channel", "id", postgresql_where=_IS_OPEN),
        Index("notice_by_match", "match_id"),
        Index("notice_by_time", "channel", "sent_at"),
        {"comment": "The outbox: messages to people, one row a channel."},
    )

    id: Mapped[RowId] = mapped_column(comment="Order")
    channel: Mapped[str] = mapped_column(
        ForeignKey("channel.name", onupdate="CASCADE", ondelete="CASCADE"), comment="Channel"
    )
    key: Mapped[str] = mapped_column(comment="What it is about; once for each channel")
    match_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("match.id", ondelete="CASCADE"), comment="The match it is about"
    )
    content: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="Title and text of a notice that is not about a match"
    )
    state: Mapped[str] = mapped_column(
        server_default=text("'waiting'"), comment="waiting | sending | sent | dropped | dead"
    )
    attempts: Mapped[int] = mapped_column(server_default=text("0"), comment="Times it was handed over")
    not_before: Mapped[DefaultNow] = mapped_column(comment="Not sent earlier")
    together: Mapped[int | None] = mapped_column(
        SmallInteger,
        comment="Most notices of its message; halved when a server refuses one; null: no limit",
    )
    message_id: Mapped[UUID | None] = mapped_column(comment="Message it is, or was last, part of")
    run_id: Mapped[UUID | None] = mapped_column(comment="Run that took it last")
    answer: Mapped[str | None] = mapped_column(
        comment="Last response of the server; why it was dropped"
    )
    created_at: Mapped[DefaultNow] = mapped_column(comment="Written")
    sent_at: Mapped[datetime | None] = mapped_column(comment="When the server took it")


def _add(connection: Connection, channels: Select[*tuple[Any, ...]], columns: Sequence[str]) -> int:
    """Write a notice for each of ``channels`` that has none of its key; returns how many."""
    made = insert(Notice).from_select(columns, channels).on_conflict_do_nothing()
    # Of an INSERT of a SELECT SQLAlchemy keeps no count of rows.
    return len(connection.execute(made.returning(Notice.id)).all())


def add_for_match(connection: Connection, match: int, channels: Sequence[str] | None) -> int:
    """Write notices of a match for these channels that are enabled (None: all); returns how many."""
    chosen = () if channels is None else (Channel.name.in_(channels),)
    rows = select(Channel.name, literal(f"match {match}"), literal(match, BigInteger))
    rows = rows.where(Channel.enabled, *chosen)
    return _add(connection, rows, ("channel", "key", "match_id"))


def add_for_incidents(connection: Connection, key: str, content: Mapping[str, str]) -> int:
    """Write a notice (title, text) for every channel that gets incidents, once for each key."""
    rows = select(Channel.name, literal(key), literal(content, JSONB))
    return _add(
        connection, rows.where(Channel.enabled, Channel.incidents), ("channel", "key", "content")
    )


def ask_for_sending(connection: Connection) -> None:
    """Request a run of the sender, if it has what to send; it starts when this is committed."""
    connection.execute(text("select ask_for_sending()"))


def channels_with_work(connection: Connection) -> list[str]:
    return list(connection.execute(text("select sendable_channels()")).scalars())


#: Near the channel's limit one message takes all that waits.
_CLAIM = text("""
with room as materialized (select * from channel_room(:channel)), taken as (
  select id from notice
   where channel = :channel and state in ('waiting', 'sending')
     and not_before <= clock_timestamp()
     and (select free_at from room) <= clock_timestamp()
   order by id
   -- The first says how many go together: what was refused in one message is sent in smaller ones.
   limit least((select case when gathers then :gathered else :most end from room), (
     select together from notice
      where channel = :channel and state in ('waiting', 'sending')
        and not_before <= clock_timestamp() order by id limit 1))
     for update skip locked
), message as materialized (
  -- Not a subquery: a plan that evaluates one once a row would give each notice an id of its own.
  select gen_random_uuid() as id
)
update notice n
   set state = 'sending', attempts = attempts + 1, message_id = message.id, run_id = :run_id,
       not_before = clock_timestamp() + :lease
  from taken, message
 where n.id = taken.id
returning n.id, (select gathers from room)
""")
_READ = text("""
select n.id, n.key, n.content, n.attempts, n.message_id, m.rule, m.subject, m.occasion, m.title,
       m.facts, m.matched_at
  from notice n left join match m on m.id = n.match_id where n.id = any(:ids) order by n.id
""")


def claim(
    connection: Connection, channel: str, run_id: UUID, lease: timedelta
) -> tuple[Sequence[Any], bool]:
    """Take the notices of one message for ``lease``; also returns whether it gathers all that waits."""
    # One sender at a time counts a channel's messages.  While an edit locks the channel, none does; of
    # one that was disabled since the run began, what is left waits.
    lock = select(Channel.name).where(Channel.name == channel, Channel.enabled)
    if connection.execute(lock.with_for_update(key_share=True, skip_locked=True)).first() is None:
        return [], False
    what = {"channel": channel, "run_id": run_id, "lease": lease}
    found = connection.execute(_CLAIM, {**what, "most": MAX_TOGETHER, "gathered": MAX_GATHERED}).all()
    if not found:
        return [], False
    return connection.execute(_READ, {"ids": [row.id for row in found]}).all(), found[0].gathers


def lease_end(connection: Connection, channel: str, run_id: UUID) -> datetime | None:
    """When what this run took and has not handed over can be taken again; None: nothing."""
    taken = select(func.min(Notice.not_before)).where(Notice.channel == channel, _IS_OPEN)
    own = taken.where(Notice.state == "sending", Notice.run_id == run_id)
    return connection.execute(own).scalar_one()


def _update(connection: Connection, rows: Sequence[Any], **values: Any) -> Sequence[Any]:
    """Change the notices of a message, as long as nobody else has them; returns state and time."""
    held = Notice.id.in_([row.id for row in rows]), Notice.message_id == rows[0].message_id
    changed = update(Notice).where(*held, Notice.state == "sending").values(values)
    return connection.execute(changed.returning(Notice.state, Notice.not_before)).all()


def sent(connection: Connection, rows: Sequence[Any], answer: str) -> None:
    at = func.clock_timestamp()
    _update(connection, rows, state="sent", sent_at=at, answer=redact(answer)[:500])


def refused(
    connection: Connection, rows: Sequence[Any], answer: str, pause: timedelta, *, permanent: bool
) -> datetime | None:
    """Have the notices of a refused message sent after ``pause``, or give them up; returns when."""
    is_last = Notice.attempts >= (0 if permanent else MAX_ATTEMPTS)
    state, at = case((is_last, "dead"), else_="waiting"), func.clock_timestamp() + pause
    kept = _update(connection, rows, state=state, not_before=at, answer=redact(answer)[:500])
    return min((row.not_before for row in kept if row.state == "waiting"), default=None)


def give_back(connection: Connection, rows: Sequence[Any], **values: Any) -> None:
    """Undo a claim: nothing was handed over."""
    values |= {"attempts": Notice.attempts - 1, "not_before": func.clock_timestamp()}
    _update(connection, rows, state="waiting", **values)


def split(connection: Connection, rows: Sequence[Any], answer: str) -> None:
    """Have the notices of a refused message sent in messages of half as many, down to one each."""
    give_back(connection, rows, answer=answer[:500], together=max(len(rows) // 2, 1))


def resend(connection: Connection, notice: int | None) -> int:
    """Send a notice that was given up or dropped again, or all that were given up; returns how many."""
    again = update(Notice).where(Notice.state == "dead")
    if notice is not None:
        again = update(Notice).where(Notice.id == notice, Notice.state.in_(("dead", "dropped")))
    at = func.clock_timestamp()
    number = connection.execute(
        again.values(state="waiting", attempts=0, not_before=at, answer=None)
    ).rowcount
    if number:
        ask_for_sending(connection)
    return number
