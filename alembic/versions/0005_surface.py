"""surface."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Placeholder until its tables land."""


def downgrade() -> None:
    """Placeholder until its tables land."""
