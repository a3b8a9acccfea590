"""Threads with their turns and images, and the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "threads",
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("label", sa.Text()),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("last_turn", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("thread_id", name="pk_threads"),
    )
    op.create_index("ix_threads_owner_updated_at", "threads", ["owner", "updated_at"])
    op.create_table(
        "turns",
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("from_image", sa.Text()),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("host_model", sa.Text()),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("resolved", sa.JSON()),
        sa.Column("text", sa.Text()),
        sa.Column("error", sa.JSON()),
        sa.Column("response_id", sa.Text()),
        sa.Column("request_id", sa.Text()),
        sa.Column("estimate_nano", sa.BigInteger()),
        sa.Column("cost_nano", sa.BigInteger()),
        sa.Column("cost_basis", sa.Text()),
        sa.Column("prices_as_of", sa.Date()),
        sa.Column("usage", sa.JSON()),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("owner_process", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("thread_id", "number", name="pk_turns"),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.thread_id"], name="fk_turns_thread_id_threads"),
    )
    op.create_table(
        "images",
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("frame", sa.Integer()),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text()),
        sa.Column("revised_prompt", sa.Text()),
        sa.Column("action", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name="pk_images"),
        sa.ForeignKeyConstraint(
            ["thread_id", "turn"], ["turns.thread_id", "turns.number"], name="fk_images_thread_id_turn_turns"
        ),
    )
    op.create_index("ix_images_thread_id_turn", "images", ["thread_id", "turn"])
    op.create_table(
        "ledger_entries",
        sa.Column("entry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("client", sa.Text()),
        sa.Column("thread_id", sa.Text()),
        sa.Column("turn", sa.Integer()),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("host_model", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("low_nano", sa.BigInteger()),
        sa.Column("expected_nano", sa.BigInteger()),
        sa.Column("high_nano", sa.BigInteger()),
        sa.Column("nano", sa.BigInteger()),
        sa.Column("basis", sa.Text()),
        sa.Column("prices_as_of", sa.Date()),
        sa.Column("tokens", sa.JSON()),
        sa.Column("request_id", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("entry_id", name="pk_ledger_entries"),
    )
    op.create_index("ix_ledger_entries_owner_created_at", "ledger_entries", ["owner", "created_at"])
