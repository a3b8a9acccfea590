"""The history of the tables: one file in `versions` for each revision, run by Alembic."""
