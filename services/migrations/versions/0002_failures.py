"""An index for failures as groups."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_FAILED = sa.text("fingerprint IS NOT NULL AND deleted_at IS NULL")


def upgrade() -> None:
    """Makes the index."""
    op.create_index(
        "ix_job_failures",
        "job",
        ["workspace_id", "kind", "fingerprint"],
        sqlite_where=_FAILED,
        postgresql_where=_FAILED,
    )
