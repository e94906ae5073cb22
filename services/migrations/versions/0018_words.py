"""The words of titles and errors, where an index finds them; indexes for the other terms of a search.

Triggers of `job` write them, as they do `job_count`: nothing can forget them, and a statement that changes neither
title nor error (a claim, a success) pays nothing. What stands there is derived: leave it out of copies by hand. A
migration that makes `job` anew on SQLite (Alembic's batch mode) must make the triggers again.
"""

import logging

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

logger = logging.getLogger(__name__)

_CHANGED = """OLD.title IS DISTINCT FROM NEW.title OR OLD.error IS DISTINCT FROM NEW.error
        OR (OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL) OR OLD.workspace_id <> NEW.workspace_id"""
_COLUMNS = "title, error, deleted_at, workspace_id"

# FTS5 keeps the trigrams alone (content=''), under the number that `job_text` gives a job: its own rowid would change
# with a VACUUM. What is taken out has to be said again.
_SQLITE_ADD = """
INSERT INTO job_text (job_id, workspace_id) SELECT NEW.id, NEW.workspace_id WHERE NEW.deleted_at IS NULL
ON CONFLICT (job_id) DO UPDATE SET workspace_id = excluded.workspace_id;
INSERT INTO job_words (rowid, title, error) SELECT id, NEW.title, NEW.error FROM job_text WHERE job_id = NEW.id;"""
_SQLITE_TAKE = """
INSERT INTO job_words (job_words, rowid, title, error)
SELECT 'delete', id, OLD.title, OLD.error FROM job_text WHERE job_id = OLD.id;"""
_SQLITE_FORGET = "DELETE FROM job_text WHERE job_id = OLD.id"
_SQLITE = (
    """CREATE TABLE job_text
    (id INTEGER NOT NULL PRIMARY KEY, job_id CHAR(32) NOT NULL UNIQUE, workspace_id CHAR(32) NOT NULL)""",
    "CREATE VIRTUAL TABLE job_words USING fts5(title, error, content='', tokenize='trigram')",
    """INSERT INTO job_text (job_id, workspace_id)
    SELECT id, workspace_id FROM job WHERE deleted_at IS NULL ORDER BY rank""",
    """INSERT INTO job_words (rowid, title, error)
    SELECT job_text.id, job.title, job.error FROM job_text CROSS JOIN job ON job.id = job_text.job_id""",
    f"CREATE TRIGGER job_text_insert AFTER INSERT ON job BEGIN {_SQLITE_ADD} END",
    f"CREATE TRIGGER job_text_delete AFTER DELETE ON job BEGIN {_SQLITE_TAKE} {_SQLITE_FORGET}; END",
    f"""CREATE TRIGGER job_text_update AFTER UPDATE OF {_COLUMNS} ON job
    WHEN {_CHANGED.replace("IS DISTINCT FROM", "IS NOT")}
    BEGIN {_SQLITE_TAKE} {_SQLITE_FORGET} AND NEW.deleted_at IS NOT NULL; {_SQLITE_ADD} END""",
)

_POSTGRESQL = (
    "LOCK TABLE job IN SHARE MODE",  # what other processes change meanwhile must be in it
    "CREATE TABLE job_text (job_id uuid PRIMARY KEY, workspace_id uuid NOT NULL, title text NOT NULL, error text)",
    """INSERT INTO job_text (job_id, workspace_id, title, error)
    SELECT id, workspace_id, title, error FROM job WHERE deleted_at IS NULL ORDER BY rank""",
    """CREATE FUNCTION job_text_add() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO job_text (job_id, workspace_id, title, error)
        SELECT id, workspace_id, title, error FROM new_jobs WHERE deleted_at IS NULL;
        RETURN NULL;
    END $$""",
    """CREATE FUNCTION job_text_keep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR NEW.deleted_at IS NOT NULL THEN
            DELETE FROM job_text WHERE job_id = OLD.id;
        ELSE
            INSERT INTO job_text (job_id, workspace_id, title, error)
            VALUES (NEW.id, NEW.workspace_id, NEW.title, NEW.error)
            ON CONFLICT (job_id) DO UPDATE
            SET workspace_id = excluded.workspace_id, title = excluded.title, error = excluded.error;
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER job_text_insert AFTER INSERT ON job REFERENCING NEW TABLE AS new_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION job_text_add()""",
    "CREATE TRIGGER job_text_delete AFTER DELETE ON job FOR EACH ROW EXECUTE FUNCTION job_text_keep()",
    f"""CREATE TRIGGER job_text_update AFTER UPDATE OF {_COLUMNS} ON job
    FOR EACH ROW WHEN ({_CHANGED}) EXECUTE FUNCTION job_text_keep()""",
)
_TRIGRAMS = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    # A small list of what is not sorted in yet: whoever fills it waits, and whoever searches reads it.
    """CREATE INDEX ix_job_text_words ON job_text USING gin (title gin_trgm_ops, error gin_trgm_ops)
    WITH (gin_pending_list_limit = 1024)""",
)

_INDEXES = {
    "ix_job_grid_fingerprint": (["workspace_id", "fingerprint", "rank"], "fingerprint IS NOT NULL"),
    "ix_job_grid_type": (["workspace_id", "failure_type", "rank"], "failure_type IS NOT NULL"),
    "ix_job_ended": (["workspace_id", "finished_at"], "finished_at IS NOT NULL"),
    "ix_job_attempts": (["workspace_id", "attempt"], "attempt > 1"),
    "ix_job_retries": (["workspace_id", "retry_count"], "retry_count > 0"),
    # Groups of failures are counted without a look at the jobs.
    "ix_job_failures": (
        ["workspace_id", "kind", "fingerprint", "status", "finished_at", "id", "attempt", "owner_id"],
        "fingerprint IS NOT NULL",
    ),
}


def upgrade() -> None:
    """Adds a table that triggers fill, with what is there already, and indexes."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE if is_sqlite else _POSTGRESQL:
        op.execute(statement)
    if not is_sqlite:
        _index_words()
    op.drop_index("ix_job_failures", "job")
    for name, (columns, where) in _INDEXES.items():
        these = sa.text(f"{where} AND deleted_at IS NULL")
        op.create_index(name, "job", columns, sqlite_where=these, postgresql_where=these)


def _index_words() -> None:
    """Without the extension a search reads all titles and errors: slower, with the same answers."""
    op.execute("SET LOCAL maintenance_work_mem = '256MB'")
    try:
        with op.get_bind().begin_nested():
            for statement in _TRIGRAMS:
                op.execute(statement)
    except sa.exc.DBAPIError as error:
        logger.warning(
            "searches for words will be slow with very many jobs: %s. docs/features/search.md", error.orig
        )
