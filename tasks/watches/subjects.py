"""`subject`: what rules may be about, so that the database can refuse others; written by migrate."""

from sqlalchemy import Connection, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tasks.watches import registry
from workers.db import Base


class Subject(Base):
    __tablename__ = "subject"
    __table_args__ = ({"comment": "What rules may be about; written by migrate."},)

    name: Mapped[str] = mapped_column(primary_key=True, comment="As in rule.subject")
    plural: Mapped[str] = mapped_column(comment="Plural of the name")
    has_currency: Mapped[bool] = mapped_column(comment="Whether its rules may name a currency")


def register(connection: Connection) -> None:
    """Write the subjects of this installation's watches; delete those of watches that are gone."""
    rows = [
        {
            "name": watch.subject,
            "plural": watch.plural,
            "has_currency": any(field.is_money for field in watch.fields.values()),
        }
        for watch in registry.by_domain().values()
    ]
    statement = insert(Subject).values(rows)
    changes = {name: statement.excluded[name] for name in ("plural", "has_currency")}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changes))
    connection.execute(delete(Subject).where(Subject.name.not_in(registry.by_subject())))
