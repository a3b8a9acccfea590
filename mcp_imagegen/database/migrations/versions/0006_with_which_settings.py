"""With which settings the provider was asked for a turn, so that its answer is fetched with the same ones only."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("account", sa.Text()))
