"""${message}.

Expand before contract: the code of the last release must still run on the schema after this migration.
The lock_timeout of alembic/env.py ends a migration that would keep others waiting: run it again.
"""

${imports if imports else ""}
from alembic import op
import sqlalchemy as sa

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
