"""Channels, the news that nobody has looked at yet, and the messages to be sent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Adds three tables and a column."""
    op.create_table(
        "channel",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("service", sa.String(200), nullable=False),
        sa.Column("events", JSON, nullable=False),
        sa.Column("kinds", JSON, nullable=False),
        sa.Column("only_own", sa.Boolean(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("window_at", MOMENT, nullable=True),
        sa.Column("window_sent", sa.Integer(), nullable=False),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("lease_by", sa.Uuid(), nullable=True),
        sa.Column("rests_until", MOMENT, nullable=True),
        sa.Column("misses", sa.Integer(), nullable=False),
        sa.Column("failing_since", MOMENT, nullable=True),
        sa.Column("trouble", sa.String(), nullable=True),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_channel_workspace_id_workspace")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["user_account.id"],
            name=op.f("fk_channel_owner_id_user_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel")),
    )
    op.create_index("ix_channel_workspace_id", "channel", ["workspace_id"])
    op.create_index("ix_channel_owner_id", "channel", ["owner_id"])
    op.create_table(
        "notice",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", name=op.f("pk_notice")),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.String(32), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.id"], name=op.f("fk_message_channel_id_channel"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index("ix_message_channel", "message", ["channel_id", "id"])
    op.create_index("ix_message_due", "message", ["due_at"])
    op.add_column("worker", sa.Column("missed_at", MOMENT, nullable=True))
