"""Alembic's entry: runs on the connection that `services/migrate.py` hands over, inside its transaction."""

from alembic import context
from sqlmodel import SQLModel

import services.failures.tables
import services.insights.tables
import services.models
import services.notifications.tables  # noqa: F401 - these declare the tables

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=False,
)
context.run_migrations()
