"""What retries at a time, with other arguments, in batches with a canary, and limits over all workers need."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Adds columns, a table and indexes."""
    for table, column in (
        ("job", sa.Column("waits_for", sa.String(100))),
        ("job", sa.Column("priority", sa.String(32), nullable=False, server_default="normal")),
        ("job", sa.Column("paused_at", sa.DateTime(timezone=True))),
        ("job", sa.Column("made_from", sa.Uuid())),
        ("attempt", sa.Column("batch_id", sa.Uuid())),
        ("attempt", sa.Column("changes", JSON)),
        ("attempt", sa.Column("args_before", JSON)),
        ("attempt", sa.Column("trace", sa.String(64))),
        ("batch", sa.Column("action", sa.String(32), nullable=False, server_default="retry")),
        ("batch", sa.Column("canary", sa.Integer(), nullable=False, server_default="0")),
        ("batch", sa.Column("stop_at", sa.Float())),
        ("batch", sa.Column("stopped", sa.String())),
        ("worker", sa.Column("queues", JSON, nullable=False, server_default="[]")),
    ):
        op.add_column(table, column)
    op.create_table(
        "switch",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_switch_workspace_id_workspace")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "name", "kind", name=op.f("pk_switch")),
    )
    _index("ix_job_running_kind", "job", ["kind"], "status = 'running'")
    _index("ix_job_queued_kind", "job", ["kind", "queued_at"], "status = 'queued'")
    _index("ix_job_replaced_by", "job", ["replaced_by"], "replaced_by IS NOT NULL")
    _index("ix_job_made_from", "job", ["made_from"], "made_from IS NOT NULL")
    _index("ix_attempt_batch", "attempt", ["batch_id", "status"], "batch_id IS NOT NULL")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
