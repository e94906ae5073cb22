"""What was over long ago, and has an input to be erased with it, is found without a look at the whole table."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_WHERE = sa.text("finished_at IS NOT NULL AND upload_id IS NOT NULL AND deleted_at IS NULL")


def upgrade() -> None:
    """Adds an index. Jobs without an input are not in it: it costs them nothing."""
    op.create_index(
        "ix_job_retention", "job", ["kind", "finished_at"], sqlite_where=_WHERE, postgresql_where=_WHERE
    )
