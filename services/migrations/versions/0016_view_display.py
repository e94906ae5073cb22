"""Views carry density and columns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Adds two columns; the views that are there show what each browser shows."""
    op.add_column("saved_view", sa.Column("density", sa.String(32), nullable=True))
    op.add_column("saved_view", sa.Column("columns", JSON, nullable=True))
