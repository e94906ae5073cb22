"""The migrations make what the models say."""

from importlib import import_module
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from services import models
from services.database.database import Database
from services.insights import tables
from services.migrations import versions


def _differences(connection: sa.Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    # What triggers derive from jobs is no model: the words, and SQLite's own tables behind them.
    derived = ("job_text", "job_words", "ix_job_text_words")
    # Foreign keys are left out: SQLite cannot add one to a table that is there, and compares them by other names.
    found = [d for d in compare_metadata(context, SQLModel.metadata) if "fk" not in str(d[0])]
    return [d for d in found if not str(getattr(d[1], "name", "")).startswith(derived)]


def test_each_stands_behind_the_one_before_by_number() -> None:
    """Two of one number, made at the same time: Alembic would run one of them and forget the other."""
    behind = None
    for file in sorted(Path(versions.__path__[0]).glob("[0-9]*.py")):
        module = import_module(f"{versions.__name__}.{file.stem}")
        assert (module.revision, module.down_revision) == (file.stem[:4], behind), file.name
        behind = module.revision


async def test_a_migrated_database_has_the_tables_columns_and_indexes_of_the_models(
    database_url: str,
) -> None:
    declared = {models.Job.__tablename__, tables.OutcomeRollup.__tablename__}
    assert declared <= SQLModel.metadata.tables.keys()
    database = Database(database_url)
    try:
        async with database.engine.connect() as connection:
            found = await connection.run_sync(_differences)
    finally:
        await database.close()

    assert found == []
