"""discovery."""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Placeholder until its tables land."""


def downgrade() -> None:
    """Placeholder until its tables land."""
