"""Run by Alembic for every migration. It is loaded by path, not as a part of its package."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
