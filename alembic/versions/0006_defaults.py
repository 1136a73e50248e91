"""defaults."""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Placeholder until its tables land."""


def downgrade() -> None:
    """Placeholder until its tables land."""
