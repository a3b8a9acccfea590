"""Paid answers are on disk before they are read, and what is whole in them comes back after any end of the process."""

import asyncio
import base64
import gzip
import json
import logging
import signal
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from errno import ENOSPC
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_bodies import call_frame, image_call, image_event, images, item_done, message, response, sse
from pydantic import SecretStr
from stand_in import KEY, Said, StandIn, error, standing_in, streamed
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from mcp_imagegen.errors import (
    ImagegenError,
    ModelNotFound,
    ModerationBlocked,
    StorageFailed,
    UpstreamInvalid,
    UpstreamTimeout,
)
from mcp_imagegen.openai_api import spool as spool_module
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.spool import About, Copy, Spool
from mcp_imagegen.openai_api.values import Event, Finished, Frame, ImageCall, Made, Named, ResponsesCall
from mcp_imagegen.sandbox.serving import running

Call = ImageCall | ResponsesCall
NAME = "thr_7-001"
ONE, TWO = b"one" * 99, b"two" * 99
PLAIN = ImageCall("gpt-image-2", "a cat", n=2)
STREAMED = replace(PLAIN, partial_images=1)
RESPOND = ResponsesCall("gpt-5.4", "gpt-image-2", "a cat")
RESPOND_STREAMED = replace(RESPOND, partial_images=2)
BACKGROUND = replace(RESPOND, background=True)
COMPLETE = response(image_call(ONE), image_call(TWO, "ig_2"), message("Here."))
CREATED = {"type": "response.created", "response": response(status="queued"), "sequence_number": 0}
QUEUED = Said(response(status="queued", usage=None, tool_usage=None))
RESPONSE_EVENTS = (
    CREATED,
    {**call_frame(b"rough", 0), "sequence_number": 1},
    {**item_done(image_call(ONE)), "sequence_number": 2},
    {**item_done(image_call(TWO, "ig_2"), 1), "sequence_number": 3},
    {"type": "response.completed", "response": COMPLETE, "sequence_number": 4},
)
IMAGE_EVENTS = (
    image_event("image_generation.partial_image", b"rough", partial_image_index=0),
    image_event("image_generation.completed", ONE),
    image_event("image_generation.completed", TWO),
)
EVENT_STREAM = {"content-type": "text/event-stream"}
ANSWERS: dict[str, tuple[Call, Said]] = {
    "image": (PLAIN, Said(images(ONE, TWO))),
    "image streamed": (STREAMED, streamed(*IMAGE_EVENTS)),
    "response": (RESPOND, Said(COMPLETE)),
    "response streamed": (RESPOND_STREAMED, streamed(*RESPONSE_EVENTS)),
    "words": (RESPOND, Said(response(message("Which cat?")))),
}


@dataclass
class Keeping:
    """A client, the provider that it asks, and where it copies the answers to."""

    client: OpenAIClient
    stand_in: StandIn
    spool: Spool

    @property
    def copy(self) -> Copy:
        return self.spool.copy(NAME)

    @property
    def files(self) -> list[Path]:
        return sorted(self.spool.folder.iterdir())

    async def sent(self, call: Call) -> tuple[list[Event], ImagegenError | None]:
        return await told(self.client.send(call, copy=self.copy))

    async def again(self) -> tuple[list[Event], ImagegenError | None]:
        return await told(self.client.spooled(self.copy))


async def told(events: Any) -> tuple[list[Event], ImagegenError | None]:
    """The events, and the error that ended them."""
    came: list[Event] = []
    try:
        async with aclosing(events):
            async for event in events:
                came.append(event)
    except ImagegenError as failed:
        return came, failed
    return came, None


@asynccontextmanager
async def keeping(folder: Path, *answers: Said, key: str = KEY) -> AsyncIterator[Keeping]:
    spool = Spool(folder / "spool")
    spool.prepare()
    async with standing_in(*answers) as stand_in:
        client = OpenAIClient(base_url=stand_in.url, api_key=SecretStr(key), trust_env=False)
        yield Keeping(client, stand_in, spool)
        await client.aclose()


def made(came: list[Event]) -> list[bytes]:
    return [event.data for event in came if isinstance(event, Made)]


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_copied_answer_says_the_same_again(tmp_path: Path, name: str) -> None:
    call, answer = ANSWERS[name]
    answer = replace(answer, headers={**answer.headers, "x-request-id": "req_7"})
    async with keeping(tmp_path, answer) as kept:
        came, failed = await kept.sent(call)
        assert failed is None
        assert isinstance(came[-1], Finished)
        assert came[-1].request_id == "req_7"
        assert await kept.again() == (came, None)
        assert await kept.again() == (came, None), "reading changes nothing"


async def test_copies_are_for_their_owner_alone_and_hold_no_key(tmp_path: Path) -> None:
    async with keeping(tmp_path, Said(images(ONE, TWO))) as kept:
        await kept.sent(PLAIN)
        [file] = kept.files
        assert file.name == f"{NAME}.0"
        assert (file.stat().st_mode & 0o777, kept.spool.folder.stat().st_mode & 0o777) == (0o600, 0o700)
        head, _, body = file.read_bytes().partition(b"\n")
        assert json.loads(body) == images(ONE, TWO)
        assert json.loads(head) == {
            "api": "image",
            "n": 2,
            "streamed": False,
            "origin": kept.stand_in.url.removesuffix("/v1"),
            "endpoint": "POST /images/generations",
            "ids": [],
            "hosts": [],
            "request_id": None,
        }
        assert KEY.encode() not in file.read_bytes()


async def test_what_is_told_is_on_disk_by_then(tmp_path: Path) -> None:
    async with keeping(tmp_path, streamed(*RESPONSE_EVENTS)) as kept:
        async for event in kept.client.send(RESPOND_STREAMED, copy=kept.copy):
            if isinstance(event, Frame | Made):
                assert base64.b64encode(event.data) in kept.files[0].read_bytes()


async def test_a_compressed_answer_is_copied_as_it_reads(tmp_path: Path) -> None:
    body = gzip.compress(json.dumps(images(ONE, TWO)).encode())
    said = Said(body, headers={"content-type": "application/json", "content-encoding": "gzip"})
    async with keeping(tmp_path, said) as kept:
        came, _ = await kept.sent(PLAIN)
        assert made(came) == [ONE, TWO]
        assert (await kept.again())[0] == came


async def test_refused_requests_leave_no_copy(tmp_path: Path) -> None:
    async with keeping(tmp_path, error(500), error(400)) as kept:
        await kept.sent(PLAIN)
        assert (kept.files, await kept.again()) == ([], ([], None))


async def test_of_many_questions_about_a_response_only_the_last_answer_stays(tmp_path: Path) -> None:
    answers = [QUEUED, error(500), QUEUED, error(500), Said(COMPLETE, upto=300), QUEUED, Said(COMPLETE)]
    async with keeping(tmp_path, *answers) as kept:
        came, failed = await kept.sent(BACKGROUND)
        assert failed is None
        endpoints = [json.loads(file.read_bytes().partition(b"\n")[0])["endpoint"] for file in kept.files]
        assert endpoints == ["POST /responses", "GET /responses/resp_1"]
        assert await kept.again() == (came, None)


BEGINNING = b"".join(sse(*RESPONSE_EVENTS[:3]))


@pytest.mark.parametrize(
    "beginning",
    [streamed(*RESPONSE_EVENTS, upto=len(BEGINNING) + 50), Said(BEGINNING + b"data: [DONE]\n\n", headers=EVENT_STREAM)],
    ids=["cut", "ended"],
)
async def test_a_stream_that_went_on_elsewhere_is_read_as_one(tmp_path: Path, beginning: Said) -> None:
    async with keeping(tmp_path, beginning, streamed(*RESPONSE_EVENTS[3:])) as kept:
        came, failed = await kept.sent(replace(RESPOND_STREAMED, background=True))
        assert (made(came), failed, len(kept.files)) == ([ONE, TWO], None, 2)
        assert await kept.again() == (came, None)


async def test_asking_later_adds_to_the_copies_of_the_first_call(tmp_path: Path) -> None:
    cut = streamed(*RESPONSE_EVENTS, upto=len(BEGINNING) + 50)
    async with keeping(tmp_path, cut, Said(COMPLETE)) as kept:
        await kept.sent(replace(RESPOND_STREAMED, store=False))
        came, failed = await told(kept.client.response("resp_1", copy=kept.copy))
        assert (made(came), failed) == ([ONE, TWO], None)
        again, _ = await kept.again()
        assert [type(event) for event in again] == [Named, Frame, Made, Made, Finished]
        assert made(again) == [ONE, TWO]


async def test_an_answer_that_stops_early_is_no_failure_and_has_no_end(tmp_path: Path) -> None:
    async with keeping(tmp_path, QUEUED, error(401)) as kept:
        await kept.sent(BACKGROUND)
        assert await kept.again() == ([Named("resp_1")], None)


async def test_a_refused_stream_takes_nothing_from_the_answer_that_came_instead(tmp_path: Path) -> None:
    refusal = {"type": "error", "error": {"message": "streaming is not supported", "param": "stream"}}
    async with keeping(tmp_path, streamed(refusal), Said(images(ONE, TWO))) as kept:
        lying: list[list[Path]] = []
        kept.stand_in.meanwhile = lambda: lying.append(kept.files)
        came, failed = await kept.sent(STREAMED)
        assert (made(came), failed) == ([ONE, TWO], None)
        assert lying == [[], []], "whoever finds the copy now must not take the refusal for the end"
        again, failed = await kept.again()
        assert (made(again), failed, type(again[-1])) == ([ONE, TWO], None, Finished)


async def test_looking_in_vain_takes_nothing_from_what_was_copied(tmp_path: Path) -> None:
    async with keeping(tmp_path, streamed(*RESPONSE_EVENTS, upto=len(BEGINNING) + 50), error(404)) as kept:
        came, failed = await kept.sent(RESPOND_STREAMED)
        assert isinstance(failed, UpstreamTimeout)
        assert made(came) == [ONE]
        assert await kept.again() == (came, None)


async def test_a_failure_that_the_answer_tells_comes_last(tmp_path: Path) -> None:
    key = "like-no-other-key"
    failing = {"type": "error", "error": {"code": "moderation_blocked", "message": f"{key} is not welcome"}}
    async with keeping(tmp_path, streamed(IMAGE_EVENTS[1], failing), key=key) as kept:
        came, _ = await kept.sent(STREAMED)
        again, failed = await kept.again()
        assert (again, made(again)) == (came, [ONE])
        assert isinstance(failed, ModerationBlocked)
        assert "is not welcome" in str(failed)
        assert key not in str(failed)


async def test_a_refused_host_has_its_way_out_when_the_copy_is_read_too(tmp_path: Path) -> None:
    unknown = {"code": "model_not_found", "message": "The model `gpt-5.4` does not exist"}
    async with keeping(tmp_path, Said(response(status="failed", error=unknown))) as kept:
        _, failed = await kept.sent(RESPOND)
        _, again = await kept.again()
        assert isinstance(failed, ModelNotFound)
        assert isinstance(again, ModelNotFound)
        assert "MCP_IMAGEGEN_RESPONSES_MODEL" in failed.fix
        assert again.fix == failed.fix


async def test_a_picture_that_cannot_be_read_is_a_failure_also_of_an_answer_that_stops_early(tmp_path: Path) -> None:
    damaged = {**IMAGE_EVENTS[1], "b64_json": "no base64"}
    async with keeping(tmp_path, streamed(damaged, IMAGE_EVENTS[2], upto=len(sse(damaged)[0]) + 50)) as kept:
        await kept.sent(STREAMED)
        came, failed = await kept.again()
        assert came == []
        assert isinstance(failed, UpstreamInvalid)
        assert failed.may_be_billed


async def test_linked_pictures_are_fetched_when_the_copy_is_read(tmp_path: Path) -> None:
    linked = Said({"created": 1, "data": [{"url": "/v1/1.png"}, {"b64_json": base64.b64encode(TWO).decode()}]})
    async with keeping(tmp_path, linked, Said(ONE)) as kept:
        await kept.sent(PLAIN)
        again, failed = await kept.again()
    assert (made(again), failed) == ([ONE, TWO], None)
    assert [path for path, _ in kept.stand_in.seen] == ["POST /v1/images/generations", *["GET /v1/1.png"] * 2]


def whole_in(body: bytes) -> list[bytes]:
    """The pictures whose base64 has its end in these bytes."""
    return [data for data in (ONE, TWO) if base64.b64encode(data) + b'"' in body]


def told_whole(body: bytes, *, in_events: bool) -> list[bytes]:
    """What is whole JSON in a body that may stop anywhere: of a stream its events, else the body itself."""
    parts = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")] if in_events else [body]
    return [part for part in parts if _is_json(part)]


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def reading(folder: Path) -> AsyncGenerator[Event, None]:
    """The copies of a folder, read by a client that reaches no provider."""
    client = OpenAIClient(base_url="http://127.0.0.1:1/v1", api_key=None, trust_env=False)
    return client.spooled(Spool(folder).copy(NAME))


@settings(max_examples=60)
@given(name=st.sampled_from(sorted(ANSWERS)), share=st.floats(0, 1))
def test_of_a_copy_that_stops_anywhere_the_whole_pictures_come_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, share: float
) -> None:
    call, answer = ANSWERS[name]
    body, streams = answer.encoded()[0], call.partial_images > 0
    about = {"api": "image" if isinstance(call, ImageCall) else "responses", "n": 2, "origin": "http://127.0.0.1:1"}
    head = json.dumps({**about, "streamed": streams, "endpoint": "POST /x", "request_id": None}).encode() + b"\n"
    kept = (head + body)[: round(share * len(head + body))]
    folder = tmp_path_factory.mktemp("spool")
    (folder / f"{NAME}.0").write_bytes(kept)
    came, failed = asyncio.run(told(reading(folder)))
    whole = told_whole(kept[len(head) :], in_events=streams)
    final = [part for part in whole if b"partial_image_b64" not in part and b".partial_image" not in part]
    assert failed is None
    assert made(came) == whole_in(b"".join(final) if streams else kept)
    complete = whole != [] and len(whole) == len(told_whole(body, in_events=streams))
    assert [type(event) for event in came].count(Finished) == complete


@pytest.mark.parametrize(
    "garbled",
    [b"", b"{", b'{"api": "ima', b"not json\n{}", b'{"api": "image"}\n{}', b"x" * 20_000, b"\xff\xfe\n\n", b"\n"],
)
async def test_a_copy_whose_first_line_is_garbled_is_an_empty_answer(tmp_path: Path, garbled: bytes) -> None:
    (tmp_path / f"{NAME}.0").write_bytes(garbled)
    assert await told(reading(tmp_path)) == ([], None)


async def test_a_first_line_without_its_end_tells_nothing(tmp_path: Path) -> None:
    """What follows may be lacking too, as after a line that was cut."""
    about = About("image", 1, False, "http://127.0.0.1", "/images/generations", None)
    (tmp_path / f"{NAME}.0").write_bytes(json.dumps(asdict(about)).encode())
    [lying] = Spool(tmp_path).copy(NAME).lying()
    assert lying.about() is None
    with lying.path.open("ab") as file:
        file.write(b"\n")
    assert lying.about() == about


async def test_there_is_nothing_to_read_where_nothing_was_copied(tmp_path: Path) -> None:
    assert await told(reading(tmp_path)) == ([], None)
    assert await told(reading(tmp_path / "nowhere")) == ([], None)
    assert Spool(tmp_path / "nowhere").names() == []


async def test_names_are_listed_once_and_each_is_discarded_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.prepare()
    for file in ("thr_1-1.0", "thr_1-1.1", "thr_1-10.0", "thr_1-1.x", "other", ".thr_1-1.0"):
        (tmp_path / file).write_bytes(b"x")
    assert spool.names() == ["thr_1-1", "thr_1-10"]
    await spool.copy("thr_1-1").discard()
    await spool.copy("thr_1-1").discard()
    assert spool.names() == ["thr_1-10"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".thr_1-1.0", "other", "thr_1-1.x", "thr_1-10.0"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "a.0", "a b", "-a", "a\n", "é"])
def test_only_safe_names_are_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        Spool(tmp_path).copy(name)


def test_a_folder_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    Spool(tmp_path / "spool").prepare()
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for use in (Spool(tmp_path / "file" / "spool").prepare, Spool(tmp_path / "file").names):
        with pytest.raises(StorageFailed):
            use()


async def test_a_folder_that_is_gone_ends_the_copying_and_not_the_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with keeping(tmp_path, QUEUED, QUEUED, Said(COMPLETE)) as kept:
        kept.spool.folder.rmdir()
        came, failed = await kept.sent(BACKGROUND)
    assert (made(came), failed) == ([ONE, TWO], None)
    assert [record.levelno for record in caplog.records if "copied" in record.message] == [logging.WARNING]


class FullOnce(FileIO):
    """On a disk that has no room for one piece, and then has some."""

    def write(self, data: Any, /) -> int:
        if bytes(data) == TWO:
            raise OSError(ENOSPC, "No space left on device")
        return super().write(data)


async def test_after_a_piece_that_the_disk_refused_nothing_more_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a gap in it the copy would say what never came."""

    async def chunks() -> AsyncGenerator[bytes, None]:
        for chunk in (ONE, TWO, ONE):
            yield chunk

    monkeypatch.setattr(spool_module, "FileIO", FullOnce)
    copy, about = Spool(tmp_path).copy(NAME), About("image", 1, False, "http://127.0.0.1", "/images", None)
    async with aclosing(copy.kept(about, chunks())) as copied:
        assert [chunk async for chunk in copied] == [ONE, TWO, ONE]
    [lying] = copy.lying()
    assert [piece async for piece in lying.chunks()] == [ONE]


SENDER = """
import asyncio, pathlib, resource, sys
from mcp_imagegen.openai_api import spool as spool_module
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.spool import Spool
from mcp_imagegen.openai_api.values import ImageCall, Made, ResponsesCall

CALLS = [
    ImageCall("gpt-image-2", "image", n=2), ImageCall("gpt-image-2", "image streamed", n=2, partial_images=1),
    ResponsesCall("gpt-5.4", "gpt-image-2", "response"),
    ResponsesCall("gpt-5.4", "gpt-image-2", "response streamed", partial_images=2),
]

async def send(client, call, copy):
    return len([event async for event in client.send(call, copy=copy) if isinstance(event, Made)])

async def main(url, folder, most):
    if most:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
    spool = Spool(pathlib.Path(folder))
    spool.prepare()
    client = OpenAIClient(base_url=url, api_key=None, trust_env=False)
    calls = [send(client, call, spool.copy(call.prompt.replace(" ", "_"))) for call in CALLS]
    print(await asyncio.gather(*calls), flush=True)
    await client.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


class Provider:
    """Answers calls that come at the same time, each by its prompt. Of a body that is in `upto` it sends so many bytes
    and then no more."""

    def __init__(self, upto: dict[str, int] | None = None) -> None:
        self.upto = upto or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = await Request(scope, receive).body()
        name = next(name for name in ANSWERS if f'"{name}"'.encode() in asked)
        body, kind = ANSWERS[name][1].encoded()[0], "event-stream" if name.endswith("streamed") else "json"
        headers = {"content-type": f"text/{kind}", "content-length": str(len(body))}
        raw = [(key.encode(), value.encode()) for key, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        await send({"type": "http.response.body", "body": body[: self.upto.get(name)], "more_body": name in self.upto})
        if name in self.upto:
            await asyncio.Event().wait()


async def sender(url: str, folder: Path, most: str = "") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SENDER,
        url,
        str(folder),
        most,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def lies(file: Path, body: bytes) -> None:
    """Wait until the copy ends with this."""
    while not (await asyncio.to_thread(file.exists) and (await asyncio.to_thread(file.read_bytes)).endswith(body)):
        pass


async def test_what_a_killed_process_had_received_comes_back(tmp_path: Path) -> None:
    bodies = {name: ANSWERS[name][1].encoded()[0] for name in ANSWERS if name != "words"}
    two = base64.b64encode(TWO)
    held = {name: body.index(two) + len(two) // 2 for name, body in bodies.items()}
    async with running(Provider(held)) as url, asyncio.timeout(60):
        process = await sender(url, tmp_path)
        for name, body in bodies.items():
            await lies(tmp_path / f"{name.replace(' ', '_')}.0", body[: held[name]])
        process.kill()
        await process.communicate()
    assert process.returncode == -signal.SIGKILL
    client = OpenAIClient(base_url="http://127.0.0.1:1/v1", api_key=None, trust_env=False)
    spool = Spool(tmp_path)
    assert spool.names() == sorted(name.replace(" ", "_") for name in bodies)
    for name in spool.names():
        came, failed = await told(client.spooled(spool.copy(name)))
        assert (made(came), failed) == ([ONE], None), name
        assert not any(isinstance(event, Finished) for event in came)
        assert (Named("resp_1") in came) == name.startswith("response")


async def test_a_full_disk_ends_the_copying_and_not_the_call(tmp_path: Path) -> None:
    async with running(Provider()) as url, asyncio.timeout(60):
        process = await sender(url, tmp_path, most="600")
        said, complaints = await process.communicate()
    assert said == b"[2, 2, 2, 2]\n", complaints.decode()
    assert complaints.decode().count("is not copied to disk any further") == 4
    assert {path.stat().st_size for path in tmp_path.iterdir()} == {600}
    client = OpenAIClient(base_url="http://127.0.0.1:1/v1", api_key=None, trust_env=False)
    came, failed = await told(client.spooled(Spool(tmp_path).copy("image")))
    assert (made(came), failed) == ([ONE], None), "what was copied before is not lost"


def descriptors(folder: Path) -> list[str]:
    """The files in a folder that this process has open."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.append(descriptor.readlink())
    return sorted(path.name for path in found if path.parent == folder)


@pytest.mark.skipif(sys.platform != "linux", reason="open files are listed in /proc")
async def test_an_open_file_is_closed_though_its_call_is_cancelled_twice(tmp_path: Path) -> None:
    """First while a piece is written, and again while the file is closed."""

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield ONE
        yield TWO

    loop, executor = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    loop.set_default_executor(executor)
    go, about = threading.Event(), About("image", 1, False, "http://127.0.0.1", "/images/generations", None)
    async with aclosing(Spool(tmp_path).copy(NAME).kept(about, chunks())) as copied:
        assert await anext(copied) == ONE
        assert descriptors(tmp_path) == [f"{NAME}.0"]
        executor.submit(go.wait)  # what comes now waits for its turn
        writing = asyncio.ensure_future(anext(copied))
        for _ in range(2):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            writing.cancel()
        await asyncio.wait({writing})
    go.set()
    await asyncio.to_thread(lambda: None)
    assert writing.cancelled()
    assert descriptors(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="open files are listed in /proc")
async def test_a_copy_that_is_read_is_closed_when_its_call_is_cancelled(tmp_path: Path) -> None:
    body = b"{}\n" + ONE * 2000
    (tmp_path / f"{NAME}.0").write_bytes(body)
    [lying] = Spool(tmp_path).copy(NAME).lying()
    pieces = lying.chunks()
    read = await anext(pieces)
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await pieces.athrow(asyncio.CancelledError())
    assert cancelled.traceback, "whoever keeps the error keeps its frames, and what they hold"
    assert body.removeprefix(b"{}\n").startswith(read)
    assert descriptors(tmp_path) == []


async def test_a_copy_that_is_cancelled_as_it_begins_leaves_no_file_open(tmp_path: Path) -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield ONE

    spool, about = Spool(tmp_path), About("image", 1, False, "http://127.0.0.1", "/images/generations", None)
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always")
        for number in range(100):
            async with aclosing(spool.copy(f"turn-{number}").kept(about, chunks())) as copied:
                beginning = asyncio.ensure_future(anext(copied))
                await asyncio.sleep(0)  # in which a thread opens the file, or is about to
                beginning.cancel()
                await asyncio.wait({beginning})
    assert [str(one.message) for one in unclosed] == []
