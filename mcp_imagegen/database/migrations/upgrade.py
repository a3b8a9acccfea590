"""Upgrade a database with Alembic, inside the caller's transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def config_for(connection: Connection | None = None) -> Config:
    """Alembic's configuration without an ini file; it works wherever the package is installed."""
    config = Config()
    # A percent sign would be read as the start of a placeholder.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Run every migration that the database has not seen yet. Nothing is committed here."""
    command.upgrade(config_for(connection), "head")
