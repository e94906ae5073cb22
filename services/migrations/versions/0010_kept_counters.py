"""How many jobs there are of each status is kept by the database itself; an index for kinds in the grid.

The triggers are the only writers of `job_count`, so that no statement on `job` can forget them. A migration that makes
`job` anew on SQLite (Alembic's batch mode) would lose them: it must make them again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_SEEN = sa.text("deleted_at IS NULL")
_KEY = "workspace_id, owner_id, kind, status"

# One writer at a time: the figure itself is changed.
_SQLITE_ADD = f"""
INSERT INTO job_count ({_KEY}, part, jobs)
SELECT NEW.workspace_id, NEW.owner_id, NEW.kind, NEW.status, 0, 1 WHERE NEW.deleted_at IS NULL
ON CONFLICT ({_KEY}, part) DO UPDATE SET jobs = jobs + 1;"""
_SQLITE_TAKE = """
UPDATE job_count SET jobs = jobs - 1
WHERE OLD.deleted_at IS NULL AND workspace_id = OLD.workspace_id AND owner_id = OLD.owner_id
    AND kind = OLD.kind AND status = OLD.status AND part = 0;"""
_SQLITE = (
    f"CREATE TRIGGER job_count_insert AFTER INSERT ON job BEGIN {_SQLITE_ADD} END",
    f"CREATE TRIGGER job_count_delete AFTER DELETE ON job BEGIN {_SQLITE_TAKE} END",
    f"""CREATE TRIGGER job_count_update
    AFTER UPDATE OF workspace_id, owner_id, kind, status, deleted_at ON job
    WHEN OLD.status <> NEW.status OR (OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)
        OR OLD.owner_id <> NEW.owner_id OR OLD.kind <> NEW.kind OR OLD.workspace_id <> NEW.workspace_id
    BEGIN {_SQLITE_TAKE} {_SQLITE_ADD} END""",
)

# Many writers: each statement adds a part of its own, so that none waits for another. Housekeeping folds them.
_POSTGRESQL = (
    "CREATE SEQUENCE job_count_part",
    f"""CREATE FUNCTION job_count_keep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO job_count ({_KEY}, part, jobs)
            SELECT {_KEY}, nextval('job_count_part'), count(*) FROM new_jobs WHERE deleted_at IS NULL GROUP BY {_KEY};
        ELSIF TG_OP = 'DELETE' THEN
            INSERT INTO job_count ({_KEY}, part, jobs)
            SELECT {_KEY}, nextval('job_count_part'), -count(*) FROM old_jobs WHERE deleted_at IS NULL GROUP BY {_KEY};
        ELSE
            INSERT INTO job_count ({_KEY}, part, jobs)
            SELECT {_KEY}, nextval('job_count_part'), sum(by) FROM (
                SELECT {_KEY}, 1 AS by FROM new_jobs WHERE deleted_at IS NULL
                UNION ALL SELECT {_KEY}, -1 FROM old_jobs WHERE deleted_at IS NULL
            ) AS moved GROUP BY {_KEY} HAVING sum(by) <> 0;
        END IF;
        RETURN NULL;
    END $$""",  # noqa: S608 - names of columns, written above
    """CREATE TRIGGER job_count_insert AFTER INSERT ON job REFERENCING NEW TABLE AS new_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION job_count_keep()""",
    """CREATE TRIGGER job_count_delete AFTER DELETE ON job REFERENCING OLD TABLE AS old_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION job_count_keep()""",
    """CREATE TRIGGER job_count_update AFTER UPDATE ON job REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION job_count_keep()""",
)


def upgrade() -> None:
    """Adds a table that triggers fill, with what is there already, and an index."""
    op.create_table(
        "job_count",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*_KEY.split(", "), "part", name=op.f("pk_job_count")),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if not is_sqlite:
        op.execute(
            "LOCK TABLE job IN SHARE MODE"
        )  # what other processes change meanwhile must be in the figures
    for statement in _SQLITE if is_sqlite else _POSTGRESQL:
        op.execute(statement)
    op.execute(
        f"INSERT INTO job_count ({_KEY}, part, jobs) "  # noqa: S608 - names of columns, written above
        f"SELECT {_KEY}, 0, count(*) FROM job WHERE deleted_at IS NULL GROUP BY {_KEY}"
    )
    op.create_index(
        "ix_job_grid_kind",
        "job",
        ["workspace_id", "kind", "status", "rank"],
        sqlite_where=_SEEN,
        postgresql_where=_SEEN,
    )
