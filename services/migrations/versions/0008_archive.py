"""The archive of downloads, and which artifacts show a stored object."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Adds two tables and an index."""
    op.create_table(
        "archive_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("result", JSON, nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_archive_entry_workspace_id_workspace")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_entry")),
    )
    op.create_index(
        "uq_archive_entry_source",
        "archive_entry",
        ["workspace_id", "source"],
        unique=True,
        sqlite_where=sa.text("NOT gone"),
        postgresql_where=sa.text("NOT gone"),
    )
    op.create_index("ix_archive_entry_address", "archive_entry", ["workspace_id", "address"])
    op.create_table(
        "archive_file",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("storage_key", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["archive_entry.id"], name=op.f("fk_archive_file_entry_id_archive_entry")
        ),
        sa.PrimaryKeyConstraint("entry_id", "name", name=op.f("pk_archive_file")),
    )
    op.create_index("ix_archive_file_storage_key", "archive_file", ["storage_key"])
    op.create_index("ix_artifact_storage_key", "artifact", ["storage_key"])
