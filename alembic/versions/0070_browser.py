"""Sites whose pages scripts draw."""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0063"

CHECK = "fetch_by is http, or browser (pages that scripts draw)"


def upgrade() -> None:
    op.add_column(
        "site",
        sa.Column(
            "fetch_by", sa.Text(), server_default=sa.text("'http'"), nullable=False,
            comment="http; browser where scripts draw the ads (slower; needs the extra browser)",
        ),
    )
    op.create_check_constraint(op.f(CHECK), "site", "fetch_by in ('http', 'browser')")


def downgrade() -> None:
    op.drop_constraint(op.f(CHECK), "site", type_="check")
    op.drop_column("site", "fetch_by")
