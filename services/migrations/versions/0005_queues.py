"""What waits is found by its kind: the next of a kind by priority, and lost doorbells of the queues that are heard."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Makes two indexes anew."""
    for name, columns in (
        ("ix_job_queued_kind", ["kind", "priority", "queued_at"]),
        ("ix_job_unclaimed", ["kind", "kick_due_at"]),
    ):
        where = sa.text("status = 'queued'")
        op.drop_index(name, "job")
        op.create_index(name, "job", columns, sqlite_where=where, postgresql_where=where)
