"""Invitations, what people tell their sessions and tokens by, and how long jobs are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Adds a table, columns, and the indexes that lists of people and tokens are paged by."""
    op.create_table(
        "invitation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("invited_by", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
            name=op.f("fk_invitation_workspace_id_workspace"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
        sa.UniqueConstraint("workspace_id", "email", name=op.f("uq_invitation_workspace_id_email")),
    )
    op.create_index("ix_invitation_workspace", "invitation", ["workspace_id", "id"])
    op.add_column("workspace", sa.Column("retention_days", sa.Integer()))
    op.add_column("web_session", sa.Column("browser", sa.String(64)))
    op.add_column("web_session", sa.Column("seen_at", MOMENT))
    op.add_column("api_token", sa.Column("ending", sa.String(4)))
    op.create_index(
        "ix_api_token_workspace",
        "api_token",
        ["workspace_id", "id"],
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_index("ix_membership_workspace", "membership", ["workspace_id", "user_id"])
    op.drop_index("ix_membership_workspace_id", "membership")
