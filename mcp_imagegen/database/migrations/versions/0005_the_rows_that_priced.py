"""Which price rows an entry's amount is by, and by what its estimate is judged."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ledger_entries", sa.Column("price_rows", sa.JSON()))
    op.add_column("ledger_entries", sa.Column("judged", sa.JSON()))
