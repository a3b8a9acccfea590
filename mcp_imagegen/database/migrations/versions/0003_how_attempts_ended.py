"""How each attempt ended and what it led to, told by the ledger itself: a thread may be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ledger_entries", sa.Column("ending", sa.Text()))
    op.add_column("ledger_entries", sa.Column("images", sa.Integer()))
    op.create_index(
        "ix_ledger_entries_owner_provider_model_entry_id",
        "ledger_entries",
        ["owner", "provider", "model", "entry_id"],
    )
    op.execute(
        "UPDATE ledger_entries SET ending = (SELECT turns.status FROM turns "
        "WHERE turns.thread_id = ledger_entries.thread_id AND turns.number = ledger_entries.turn) "
        "WHERE status <> 'reserved'"
    )
    op.execute(
        "UPDATE ledger_entries SET images = (SELECT count(*) FROM images "
        "WHERE images.thread_id = ledger_entries.thread_id AND images.turn = ledger_entries.turn "
        "AND images.role = 'final') WHERE status = 'settled'"
    )
