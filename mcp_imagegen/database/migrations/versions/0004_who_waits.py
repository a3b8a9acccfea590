"""Which process's caller waits for a turn, and whether the one that works on it is asked to stop."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("waiter", sa.Text()))
    op.add_column("turns", sa.Column("stop_at", sa.BigInteger()))
    op.create_index("ix_turns_waiter", "turns", ["waiter"])
