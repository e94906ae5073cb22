"""Batches: how far each has come, and which jobs it left alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "batch",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("cut_off", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("ceiling", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.Uuid(), nullable=True),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("retried", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("skipped", JSON, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_batch_job_id_job")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_batch")),
    )
    op.create_table(
        "batch_skip",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(32), nullable=True),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["job.id"], name=op.f("fk_batch_skip_batch_id_job")),
        sa.PrimaryKeyConstraint("batch_id", "job_id", name=op.f("pk_batch_skip")),
    )
