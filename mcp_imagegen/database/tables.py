"""The tables, as the newest migration leaves them.

Written for SQLite and PostgreSQL alike: no triggers, no partial indexes, no RETURNING (SQLite has it since 3.35,
and long-lived systems still ship 3.34).
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
)

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
)  # every migration, oldest first; the last makes these tables
NEWEST = REVISIONS[-1]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """A moment as whole microseconds since 1970 in UTC.

    An integer is ordered and compared alike by both databases and keeps every digit; SQLite has no type for times,
    and as text they compare right only while all have the same form.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Raises ValueError for a datetime without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND


class Words(TypeDecorator[str]):
    """Text from outside, which may hold what a database refuses: half a surrogate pair (both) or NUL (PostgreSQL).

    Each becomes U+FFFD, so that an answer that was paid for is never lost to one character.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in value)


_OBJECT = JSON(none_as_null=True)
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # only an INTEGER key counts by itself in SQLite

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

THREADS = Table(
    "threads",
    METADATA,
    Column("thread_id", Words, primary_key=True),
    Column("owner", Words, nullable=False),
    Column("label", Words),
    Column("title", Words, nullable=False),
    Column("provider", Words, nullable=False),
    Column("last_turn", Integer, nullable=False),  # the highest number given to a turn; counted up by who opens one
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index(None, "owner", "updated_at"),
)

TURNS = Table(
    "turns",
    METADATA,
    Column("thread_id", Words, ForeignKey("threads.thread_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Words, nullable=False),
    Column("prompt", Words, nullable=False),
    Column("status", Words, nullable=False),
    Column("from_image", Words),
    Column("provider", Words, nullable=False),
    Column("api", Words, nullable=False),
    Column("model", Words, nullable=False),
    Column("host_model", Words),
    Column("options", _OBJECT, nullable=False),
    Column("resolved", _OBJECT),
    Column("text", Words),
    Column("error", _OBJECT),
    Column("response_id", Words),
    Column("request_id", Words),
    Column("estimate_nano", BigInteger),
    Column("cost_nano", BigInteger),
    Column("cost_basis", Words),
    Column("prices_as_of", Date),
    Column("usage", _OBJECT),
    Column("warnings", _OBJECT, nullable=False),
    Column("owner_process", Words, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("fingerprint", Words),  # of the caller and of all arguments; the same for the same call made again
    Column("abandoned_at", Instant),  # since when nobody waits for the turn or was given its outcome
    Column("forgotten_at", Instant),  # when the API was found not to know response_id any more
    Column("waiter", Words),  # the process whose caller waits for the turn and was not given its outcome yet
    Column("stop_at", Instant),  # when the process that works on the turn was asked to stop
    Column("account", Words),  # whom the provider was asked as, told without the key; None for turns of before
    Index(None, "status", "lease_until"),
    Index(None, "fingerprint"),
    Index(None, "waiter"),
)

IMAGES = Table(
    "images",
    METADATA,
    Column("image_id", Words, primary_key=True),
    Column("thread_id", Words, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("index", Integer, nullable=False),
    Column("role", Words, nullable=False),
    Column("frame", Integer),
    Column("key", Words, nullable=False),
    Column("mime_type", Words, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Words, nullable=False),
    Column("call_id", Words),
    Column("revised_prompt", Words),
    Column("action", Words),
    Column("created_at", Instant, nullable=False),
    Column("forgotten_at", Instant),  # when the API was found not to know call_id any more
    ForeignKeyConstraint(["thread_id", "turn"], ["turns.thread_id", "turns.number"]),
    Index(None, "thread_id", "turn"),
)

# What was spent stays known when a thread is deleted, so an entry refers to its turn without a foreign key.
LEDGER_ENTRIES = Table(
    "ledger_entries",
    METADATA,
    Column("entry_id", _ROW_ID, primary_key=True),
    Column("owner", Words, nullable=False),
    Column("client", Words),
    Column("thread_id", Words),
    Column("turn", Integer),
    Column("operation", Words, nullable=False),
    Column("provider", Words, nullable=False),
    Column("api", Words, nullable=False),
    Column("model", Words, nullable=False),
    Column("host_model", Words),
    Column("status", Words, nullable=False),
    Column("low_nano", BigInteger),
    Column("expected_nano", BigInteger),
    Column("high_nano", BigInteger),
    Column("nano", BigInteger),
    Column("basis", Words),
    Column("prices_as_of", Date),
    Column("tokens", _OBJECT),
    Column("request_id", Words),
    Column("reason", Words),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("ending", Words),  # how the attempt ended, in the words of a turn's status
    Column("images", Integer),  # finished pictures that it led to; None for what was released
    Column("price_rows", _OBJECT),  # those that the amount is by, until it is settled those of the estimate
    Column(
        "judged", _OBJECT
    ),  # nano, low_nano, high_nano: by what the estimate is judged, where not by the whole; or short
    Index(None, "owner", "created_at"),
    Index(None, "owner", "provider", "model", "entry_id"),
)

# Alembic's own table. It is no part of the metadata, which Alembic compares with a database without it.
VERSIONS = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
