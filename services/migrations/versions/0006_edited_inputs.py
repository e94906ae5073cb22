"""Which upload a job had before a retry with another one: it is kept while that retry can still be taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds a column, and an index of those that have it."""
    op.add_column("attempt", sa.Column("upload_before", sa.Uuid()))
    op.create_index(
        "ix_attempt_upload_before",
        "attempt",
        ["upload_before"],
        sqlite_where=sa.text("upload_before IS NOT NULL"),
        postgresql_where=sa.text("upload_before IS NOT NULL"),
    )
