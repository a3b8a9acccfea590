"""Who still waits for a turn, and which of its ids the API no longer knows."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("fingerprint", sa.Text()))
    op.add_column("turns", sa.Column("abandoned_at", sa.BigInteger()))
    op.add_column("turns", sa.Column("forgotten_at", sa.BigInteger()))
    op.create_index("ix_turns_status_lease_until", "turns", ["status", "lease_until"])
    op.create_index("ix_turns_fingerprint", "turns", ["fingerprint"])
    op.add_column("images", sa.Column("forgotten_at", sa.BigInteger()))
