"""What a failure said, found among the attempts that still know it."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Adds an index."""
    where = sa.text("fingerprint IS NOT NULL AND error IS NOT NULL")
    op.create_index(
        "ix_attempt_words", "attempt", ["kind", "fingerprint"], sqlite_where=where, postgresql_where=where
    )
