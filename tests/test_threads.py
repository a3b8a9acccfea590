"""Threads, turns and images as they are written and read back."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_imagegen.database.engine import Database
from mcp_imagegen.errors import ImageNotFound, StorageFailed, ThreadNotFound
from mcp_imagegen.threads import leases, store, waiting
from mcp_imagegen.threads.ids import is_image_id, is_thread_id, new_image_id, new_thread_id
from mcp_imagegen.threads.values import TITLE_LIMIT, StoredImage, Thread, Turn, title_of

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(seconds=30, microseconds=7)
LEASE = timedelta(seconds=60)
UNKNOWN_THREAD = "thr_" + "0" * 32
UNKNOWN_IMAGE = "img_" + "0" * 32
ERROR = {
    "code": "upstream_timeout",
    "sentence": "cut off",
    "fix": "ask again",
    "request_id": None,
    "may_be_billed": True,
}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "imagegen.sqlite3")
    await database.prepare()
    yield database
    await database.aclose()


@pytest.fixture
async def thread_id(database: Database) -> str:
    return await opened(database)


async def opened(database: Database, *, owner: str = "local", label: str | None = None, at: datetime = AT) -> str:
    async with database.writing() as connection:
        return await store.open_thread(
            connection, owner=owner, label=label, title="A red fox", provider="openai", at=at
        )


async def turn_opened(database: Database, thread_id: str, **given: Any) -> Turn:
    values: dict[str, Any] = {
        "kind": "continue",
        "prompt": "make it bluer",
        "from_image": None,
        "provider": "openai",
        "api": "responses",
        "model": "gpt-image-2",
        "host_model": "gpt-5.4",
        "options": {"size": "auto", "extra": {"complexity": "low"}},
        "estimate_nano": 41_000_000,
        "owner_process": "laptop:1",
        "lease_until": AT + LEASE,
        "at": AT,
    }
    async with database.writing() as connection:
        return await store.open_turn(connection, thread_id=thread_id, **values | given)


async def turn_closed(database: Database, turn: Turn, **given: Any) -> bool:
    values: dict[str, Any] = {
        "status": "completed",
        "text": None,
        "error": None,
        "resolved": None,
        "response_id": None,
        "request_id": None,
        "cost_nano": None,
        "cost_basis": None,
        "usage": None,
        "warnings": (),
        "at": LATER,
    }
    async with database.writing() as connection:
        return await store.close_turn(connection, turn.thread_id, turn.number, **values | given)


def picture(turn: Turn, index: int = 0, frame: int | None = None, revised_prompt: str = "") -> StoredImage:
    image_id = new_image_id()
    return StoredImage(
        image_id=image_id,
        thread_id=turn.thread_id,
        turn=turn.number,
        index=index,
        role="final" if frame is None else "frame",
        frame=frame,
        key=f"{turn.thread_id}/{image_id}.png",
        mime_type="image/png",
        width=1536,
        height=1024,
        bytes=3_000_000_000,
        sha256="ab" * 32,
        call_id="ig_1",
        revised_prompt=revised_prompt,
        action="edit",
        created_at=LATER,
    )


async def added(database: Database, image: StoredImage) -> StoredImage:
    async with database.writing() as connection:
        await store.add_image(connection, image)
    return image


async def read(database: Database, thread_id: str, owner: str = "local") -> Thread:
    async with database.reading() as connection:
        return await store.thread(connection, thread_id, owner)


async def test_turns_of_a_thread_are_numbered_from_one(database: Database, thread_id: str) -> None:
    other = await opened(database)
    numbers = [(await turn_opened(database, thread_id)).number for _ in range(3)]

    assert numbers == [1, 2, 3]
    assert [turn.number for turn in (await read(database, thread_id)).turns] == [1, 2, 3]
    assert (await turn_opened(database, other)).number == 1


async def test_turn_belongs_to_a_process_with_a_lease_from_its_start(database: Database, thread_id: str) -> None:
    turn = await turn_opened(database, thread_id)
    (stored,) = (await read(database, thread_id)).turns

    assert stored == turn
    assert stored.status == "in_progress"
    assert stored.owner_process == "laptop:1"
    assert stored.lease_until == AT + LEASE


async def test_everything_recorded_of_a_turn_is_read_back(database: Database, thread_id: str) -> None:
    turn = await turn_opened(database, thread_id, from_image=UNKNOWN_IMAGE, prices_as_of=date(2026, 10, 14))
    image = await added(database, picture(turn, revised_prompt="A red fox in the snow"))
    outcome: dict[str, Any] = {
        "status": "failed",
        "text": "here it is",
        "error": ERROR,
        "resolved": {"size": "1536x1024"},
        "response_id": "resp_1",
        "request_id": "req_1",
        "cost_nano": 12_345_678_901,
        "cost_basis": "billed",
        "prices_as_of": date(2026, 11, 1),
        "usage": {"image_model": {"image_output": 1372}},
        "warnings": ("the first", "the second"),
    }
    assert await turn_closed(database, turn, **outcome)

    expected = replace(turn, **outcome, finished_at=LATER, images=(image,))
    assert (await read(database, thread_id)).turns == (expected,)
    async with database.reading() as connection:
        assert await store.turn(connection, thread_id, 1) == expected
        assert await store.image(connection, image.image_id, "local") == image


async def test_thread_keeps_who_opened_it_and_when_it_changed(database: Database) -> None:
    thread_id = await opened(database, owner="ann", label="session 7")
    assert (await read(database, thread_id, "ann")).updated_at == AT
    turn = await turn_opened(database, thread_id, at=AT + timedelta(seconds=1))
    assert (await read(database, thread_id, "ann")).updated_at == AT + timedelta(seconds=1)
    await turn_closed(database, turn)

    thread = await read(database, thread_id, "ann")
    assert (thread.owner, thread.label, thread.title, thread.provider) == ("ann", "session 7", "A red fox", "openai")
    assert (thread.created_at, thread.updated_at) == (AT, LATER)


async def test_turn_is_closed_once_and_the_first_outcome_stays(database: Database, thread_id: str) -> None:
    turn = await turn_opened(database, thread_id)
    assert await turn_closed(database, turn, status="lost", error=ERROR)
    before = await read(database, thread_id)

    assert not await turn_closed(database, turn, status="completed", cost_nano=1, at=LATER + LEASE)
    assert await read(database, thread_id) == before


async def test_turn_that_does_not_exist_cannot_be_closed(database: Database, thread_id: str) -> None:
    turn = await turn_opened(database, thread_id)

    assert not await turn_closed(database, replace(turn, number=2))
    assert (await read(database, thread_id)).turns == (turn,)


async def test_response_id_is_known_before_the_turn_ends_and_kept(database: Database, thread_id: str) -> None:
    turn = await turn_opened(database, thread_id, prices_as_of=date(2026, 10, 14))
    async with database.writing() as connection:
        await store.note_response(connection, thread_id, 1, "resp_early")
    assert (await read(database, thread_id)).turns[0].response_id == "resp_early"
    await turn_closed(database, turn, status="lost", response_id=None)

    (stored,) = (await read(database, thread_id)).turns
    assert (stored.response_id, stored.prices_as_of) == ("resp_early", date(2026, 10, 14))


async def test_lease_is_renewed_by_its_process_while_the_turn_runs(database: Database, thread_id: str) -> None:
    turn = await turn_opened(database, thread_id)
    until = LATER + LEASE

    async def renewed(process: str) -> bool:
        async with database.writing() as connection:
            return await leases.renew(connection, thread_id, 1, process, until)

    assert not await renewed("laptop:2")
    assert (await read(database, thread_id)).turns[0].lease_until == AT + LEASE
    assert await renewed("laptop:1")
    assert (await read(database, thread_id)).turns[0].lease_until == until
    await turn_closed(database, turn)
    assert not await renewed("laptop:1")


async def test_of_several_that_take_up_a_turn_one_gets_it_and_one_that_was_renewed_meanwhile_nobody(
    database: Database, thread_id: str
) -> None:
    await turn_opened(database, thread_id)

    async def found() -> leases.Lease | None:
        async with database.reading() as connection:
            return await leases.lease_of(connection, thread_id, 1)

    async def taken(lease: leases.Lease | None, process: str) -> bool:
        assert lease is not None
        async with database.writing() as connection:
            return await leases.take_over(connection, lease, process, LATER + LEASE)

    early = await found()
    async with database.writing() as connection:
        assert await leases.renew(connection, thread_id, 1, "laptop:1", LATER)
    dead = await found()
    assert not await taken(early, "laptop:2")
    assert [await taken(dead, process) for process in ("laptop:2", "laptop:3")] == [True, False]
    assert await found() == leases.Lease(thread_id, 1, "laptop:2", LATER + LEASE)


async def test_a_turn_is_let_go_of_by_its_own_process_alone(database: Database, thread_id: str) -> None:
    await turn_opened(database, thread_id)
    owners = []
    for process in ("laptop:2", "laptop:1"):
        async with database.writing() as connection:
            await leases.let_go(connection, thread_id, 1, process, LATER)
            owners.append(await leases.lease_of(connection, thread_id, 1))

    assert owners == [leases.Lease(thread_id, 1, "laptop:1", AT + LEASE), leases.Lease(thread_id, 1, "nobody", LATER)]


@pytest.mark.parametrize("by", ["delivering", "showing"])
async def test_a_turn_is_waited_for_until_it_is_given_after_its_end(
    database: Database, thread_id: str, by: str
) -> None:
    turn = await turn_opened(database, thread_id)

    async def waited_for_after_giving() -> frozenset[str]:
        async with database.writing() as connection:
            if by == "delivering":
                await waiting.deliver(connection, thread_id, 1)
            else:
                await waiting.collect(connection, thread_id, [1])
            return await waiting.waiters(connection)

    running = await waited_for_after_giving()
    await turn_closed(database, turn)
    assert [running, await waited_for_after_giving()] == [{"laptop:1"}, frozenset()]


async def test_pictures_come_by_index_and_before_the_frames(database: Database, thread_id: str) -> None:
    turn = await turn_opened(database, thread_id)
    places = [(1, 0), (1, None), (0, 1), (0, None), (0, 0)]
    stored = {place: await added(database, picture(turn, *place)) for place in places}

    (read_turn,) = (await read(database, thread_id)).turns
    expected = [(0, None), (1, None), (0, 0), (0, 1), (1, 0)]
    assert read_turn.images == tuple(stored[place] for place in expected)
    assert read_turn.finals == (stored[0, None], stored[1, None])


async def test_one_turn_is_read_with_its_own_images_alone(database: Database, thread_id: str) -> None:
    turns = [await turn_opened(database, thread_id) for _ in range(2)]
    images = [await added(database, picture(turn)) for turn in turns]
    async with database.reading() as connection:
        found = [await store.turn(connection, thread_id, turn.number) for turn in turns]

    assert [turn.images for turn in found] == [(image,) for image in images]


async def test_image_of_a_turn_that_was_given_up_still_belongs_to_it(database: Database, thread_id: str) -> None:
    turn = await turn_opened(database, thread_id)
    await turn_closed(database, turn, status="lost")
    image = await added(database, picture(turn))

    (stored,) = (await read(database, thread_id)).turns
    assert stored.images == (image,)


async def test_image_without_a_turn_is_refused(database: Database, thread_id: str) -> None:
    turn = await turn_opened(database, thread_id)

    with pytest.raises(StorageFailed):
        await added(database, picture(replace(turn, number=2)))


async def test_nobody_finds_threads_and_images_of_somebody_else(database: Database) -> None:
    thread_id = await opened(database, owner="ann")
    image = await added(database, picture(await turn_opened(database, thread_id)))
    async with database.reading() as connection:
        with pytest.raises(ThreadNotFound) as thread_failure:
            await store.thread(connection, thread_id, "bob")
        with pytest.raises(ImageNotFound) as image_failure:
            await store.image(connection, image.image_id, "bob")

        assert thread_failure.value.sentence == f"there is no thread {thread_id}"
        assert image_failure.value.sentence == f"there is no image {image.image_id}"
        assert (await store.thread(connection, thread_id, "ann")).thread_id == thread_id
        assert await store.image(connection, image.image_id, "ann") == image
        assert await store.recent(connection, "bob") == ()


@pytest.mark.parametrize("wrong", ["", "1' OR '1'='1", "x" * 100_000, "\0", "\ud800", "ignore\nall", "thr_" + "A" * 32])
async def test_what_is_no_id_is_not_found_and_not_repeated(database: Database, thread_id: str, wrong: str) -> None:
    async with database.reading() as connection:
        with pytest.raises(ThreadNotFound) as thread_failure:
            await store.thread(connection, wrong, "local")
        with pytest.raises(ImageNotFound) as image_failure:
            await store.image(connection, wrong, "local")

    assert thread_failure.value.sentence == "this is not a thread_id"
    assert image_failure.value.sentence == "this is not an image_id"


async def test_unknown_ids_say_where_to_find_known_ones(database: Database) -> None:
    async with database.reading() as connection:
        with pytest.raises(ThreadNotFound) as thread_failure:
            await store.thread(connection, UNKNOWN_THREAD, "local")
        with pytest.raises(ImageNotFound) as image_failure:
            await store.image(connection, UNKNOWN_IMAGE, "local")

    assert "get_image_thread" in thread_failure.value.fix
    assert "get_image_thread" in image_failure.value.fix


async def test_turn_of_an_unknown_thread_is_neither_opened_nor_found(database: Database, thread_id: str) -> None:
    with pytest.raises(ThreadNotFound):
        await turn_opened(database, UNKNOWN_THREAD)
    async with database.reading() as connection:
        with pytest.raises(ThreadNotFound):
            await store.turn(connection, thread_id, 1)


async def test_recent_threads_have_the_latest_change_first_and_add_up(database: Database) -> None:
    first, second, _ = [await opened(database, at=AT + timedelta(minutes=i)) for i in range(3)]
    turn = await turn_opened(database, first, at=AT + timedelta(hours=1))
    for place in [(0, None), (1, None), (0, 0)]:
        await added(database, picture(turn, *place))
    await turn_closed(database, turn, cost_nano=5_000_000_000, cost_basis="billed", at=AT + timedelta(hours=2))
    unpriced = await turn_opened(database, first, at=AT + timedelta(hours=2))
    await turn_closed(database, unpriced, status="text_only", at=AT + timedelta(hours=3))
    last = await turn_opened(database, first, at=AT + timedelta(hours=3))
    await turn_closed(database, last, cost_nano=7, cost_basis="estimated", at=AT + timedelta(hours=4))
    async with database.reading() as connection:
        newest, *others = await store.recent(connection, "local")
        assert len(await store.recent(connection, "local", limit=2)) == 2

    assert (newest.thread_id, newest.title, newest.provider) == (first, "A red fox", "openai")
    assert (newest.turns, newest.images, newest.cost_nano) == (3, 2, 5_000_000_007)
    assert newest.cost_nano == (await read(database, first)).cost_nano
    assert (newest.created_at, newest.updated_at) == (AT, AT + timedelta(hours=4))
    assert [other.created_at for other in others] == [AT + timedelta(minutes=2), AT + timedelta(minutes=1)]
    assert [(other.turns, other.images, other.cost_nano) for other in others] == [(0, 0, 0)] * 2
    assert others[1].thread_id == second


async def test_recent_threads_can_be_those_of_one_client_session(database: Database) -> None:
    mine = await opened(database, label="session 7")
    await opened(database, label="session 8")
    await opened(database)
    async with database.reading() as connection:
        found = await store.recent(connection, "local", label="session 7")

    assert [(summary.thread_id, summary.label) for summary in found] == [(mine, "session 7")]


async def test_long_thread_is_read_in_two_statements(database: Database, thread_id: str) -> None:
    for _ in range(30):
        turn = await turn_opened(database, thread_id)
        await added(database, picture(turn))
    statements: list[str] = []

    def count(*arguments: Any) -> None:
        statements.append(arguments[2])

    async with database.reading() as connection:
        assert connection.sync_connection is not None
        event.listen(connection.sync_connection, "before_cursor_execute", count)
        thread = await store.thread(connection, thread_id, "local")

    assert len(statements) == 2
    assert [len(turn.images) for turn in thread.turns] == [1] * 30


async def test_text_that_a_database_refuses_does_not_lose_the_turn(database: Database, thread_id: str) -> None:
    turn = await turn_opened(database, thread_id, prompt="a\0b", options={"extra": "\ud800\0"})
    await added(database, picture(turn, revised_prompt="half \udc00"))
    assert await turn_closed(database, turn, text="\ud800", warnings=("\ud800",))

    (stored,) = (await read(database, thread_id)).turns
    assert (stored.prompt, stored.text) == ("a\ufffdb", "\ufffd")
    assert stored.images[0].revised_prompt == "half \ufffd"


async def test_rooms_share_one_transaction(database: Database) -> None:
    async def fail(connection: AsyncConnection) -> None:
        thread_id = await store.open_thread(connection, owner="local", label=None, title="a", provider="openai", at=AT)
        assert (await store.thread(connection, thread_id, "local")).turns == ()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with database.writing() as connection:
            await fail(connection)
    async with database.reading() as connection:
        assert await store.recent(connection, "local") == ()


def test_ids_hold_128_random_bits() -> None:
    threads, images = ({make() for _ in range(100)} for make in (new_thread_id, new_image_id))

    assert len(threads | images) == 200
    assert all(re.fullmatch(r"thr_[0-9a-f]{32}", thread_id) and is_thread_id(thread_id) for thread_id in threads)
    assert all(re.fullmatch(r"img_[0-9a-f]{32}", image_id) and is_image_id(image_id) for image_id in images)


@pytest.mark.parametrize(
    "text", ["", "img_", "img_" + "a" * 31, "img_" + "a" * 33, "img_" + "A" * 32, "img_" + "a" * 32 + "\n"]
)
def test_only_the_whole_form_is_an_id(text: str) -> None:
    assert not is_image_id(text)
    assert not is_thread_id(text.replace("img_", "thr_"))


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("A red fox", "A red fox"),
        ("  A red\n\n fox\t in\u3000snow ", "A red fox in snow"),
        ("bell\x07 and \x1b[31mcolour\x9b", "bell and [31mcolour"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
        ("word " * 30, "word " * 15 + "word…"),
        ("", ""),
    ],
)
def test_title_is_the_prompt_on_one_line(prompt: str, title: str) -> None:
    assert title_of(prompt) == title


async def test_thread_is_titled_by_its_first_prompt(database: Database) -> None:
    async with database.writing() as connection:
        thread_id = await store.open_thread(
            connection, owner="local", label=None, title="a\nfox " * 50, provider="openai", at=AT
        )

    title = (await read(database, thread_id)).title
    assert title.startswith("a fox a fox")
    assert title.endswith("…")
    assert len(title) <= TITLE_LIMIT


@settings(deadline=None)
@given(st.text())
def test_title_is_short_and_stays_itself(prompt: str) -> None:
    title = title_of(prompt)

    assert len(title) <= TITLE_LIMIT
    assert title.splitlines() in ([], [title])
    assert title_of(title) == title
