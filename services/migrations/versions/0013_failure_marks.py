"""What people say of failures: groups that are muted, notes on them, jobs that are dismissed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Adds two tables."""
    op.create_table(
        "failure_mark",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("muted_at", MOMENT, nullable=True),
        sa.Column("muted_by", sa.String(), nullable=True),
        sa.Column("muted_until", MOMENT, nullable=True),
        sa.Column("muted_above", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("note_by", sa.String(), nullable=True),
        sa.Column("note_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_failure_mark_workspace_id_workspace")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "fingerprint", name=op.f("pk_failure_mark")),
    )
    op.create_table(
        "dismissal",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_dismissal_job_id_job")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_dismissal")),
    )
