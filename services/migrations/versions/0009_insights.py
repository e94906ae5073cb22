"""Roll-ups of what became of all runs. What has ended already is folded into them by housekeeping."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_TABLES: dict[str, list[tuple[str, Any]]] = {
    "outcome_rollup": [("status", sa.String(32)), ("is_retry", sa.Boolean())],
    "duration_rollup": [("measure", sa.String(32)), ("bucket", sa.Integer())],
    "recovery_rollup": [("fingerprint", sa.String(32)), ("status", sa.String(32))],
}


def upgrade() -> None:
    """Adds three tables, a column and two indexes."""
    for table, own in _TABLES.items():
        keys = [
            ("workspace_id", sa.Uuid()), ("whose", sa.Uuid()), ("grain", sa.String(32)),
            ("start", sa.DateTime(timezone=True)), ("kind", sa.String(100)), *own,
        ]  # fmt: skip
        counts = ["runs", "credits"] if table == "outcome_rollup" else ["runs"]
        op.create_table(
            table,
            *(sa.Column(name, type_, nullable=False) for name, type_ in keys),
            *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counts),
            sa.PrimaryKeyConstraint(*(name for name, _ in keys), name=op.f(f"pk_{table}")),
            sqlite_with_rowid=False,
        )
    columns = ["workspace_id", "whose", "fingerprint", "grain"]
    op.create_index("ix_recovery_rollup_fingerprint", "recovery_rollup", columns)
    op.add_column("attempt", sa.Column("folded", sa.Boolean(), nullable=True))
    where = sa.text("finished_at IS NOT NULL AND folded IS NULL")
    op.create_index(
        "ix_attempt_not_folded", "attempt", ["finished_at"], sqlite_where=where, postgresql_where=where
    )
