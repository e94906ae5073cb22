"""The schema's history, for Alembic. `services/migrate.py` applies it; `make migration` drafts a new step."""
