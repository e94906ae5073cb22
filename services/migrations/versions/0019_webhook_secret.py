"""A workspace's secret for signing webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Adds three columns; no workspace has a secret yet."""
    op.add_column("workspace", sa.Column("webhook_secret", sa.String(), nullable=True))
    op.add_column("workspace", sa.Column("webhook_secret_by", sa.String(), nullable=True))
    op.add_column("workspace", sa.Column("webhook_secret_at", sa.DateTime(timezone=True), nullable=True))
