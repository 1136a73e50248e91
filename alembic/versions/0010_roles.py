"""Who may do what: the functions of the guard; roles, grants and triggers come with every migrate."""

from alembic import op

from workers.migrate import load_sql

revision = "0010"
down_revision = "0007"


def upgrade() -> None:
    load_sql("guard")


def downgrade() -> None:
    for name in ("guard", "guard_columns"):
        op.execute(f"drop function {name} cascade")
    op.execute("drop function guarded_role")
