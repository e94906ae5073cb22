"""The audit log by who did it, and by what was done."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Adds two indexes."""
    op.create_index("ix_audit_entry_actor", "audit_entry", ["workspace_id", "actor", "id"])
    op.create_index("ix_audit_entry_action", "audit_entry", ["workspace_id", "action", "id"])
