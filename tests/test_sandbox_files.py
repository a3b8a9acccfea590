"""Files, models and the record of requests, driven by OpenAI's own client over a socket."""

from typing import Any

import openai
import pytest
from sandbox_support import NOVEMBER_2026, SMALL, connected, data_url, mask, painted, png

HOUR = 3600


async def test_a_file_can_be_uploaded_listed_read_and_deleted() -> None:
    async with connected() as connection:
        files = connection.client.files
        made = await files.create(file=png(b"some bytes", "a.png"), purpose="vision")
        assert made.id.startswith("file-")
        assert (made.filename, made.bytes, made.purpose, made.status) == ("a.png", 10, "vision", "processed")
        assert made.created_at == int(NOVEMBER_2026)
        assert await files.retrieve(made.id) == made
        assert (await files.content(made.id)).content == b"some bytes"
        assert [file.id async for file in files.list()] == [made.id]
        assert (await files.delete(made.id)).deleted
        for gone in (files.retrieve, files.content, files.delete):
            with pytest.raises(openai.NotFoundError) as raised:
                await gone(made.id)
            assert (raised.value.message.endswith(f"No such File object: {made.id}'}}") or raised.value.param) == "id"


async def test_a_file_is_gone_when_it_has_expired() -> None:
    now = [NOVEMBER_2026]
    async with connected(clock=lambda: now[0]) as connection:
        files = connection.client.files
        made = await files.create(
            file=png(b"x"), purpose="vision", expires_after={"anchor": "created_at", "seconds": HOUR}
        )
        assert made.expires_at == NOVEMBER_2026 + HOUR
        now[0] += HOUR - 1
        assert await files.retrieve(made.id) == made
        now[0] += 1
        with pytest.raises(openai.NotFoundError):
            await files.retrieve(made.id)
        assert [file async for file in files.list()] == []


async def test_files_are_listed_newest_first_in_pages_and_by_purpose() -> None:
    async with connected() as connection:
        files = connection.client.files
        made = [await files.create(file=png(b"x", f"{index}.png"), purpose="vision") for index in range(5)]
        other = await files.create(file=png(b"x"), purpose="user_data")
        newest_first = [other.id, *(file.id for file in reversed(made))]
        assert [file.id async for file in files.list(limit=2)] == newest_first
        assert [file.id async for file in files.list(order="asc")] == newest_first[::-1]
        assert [file.id async for file in files.list(purpose="user_data")] == [other.id]
        page = await files.list(limit=2, after=made[3].id)
        assert [file.id for file in page.data] == [made[2].id, made[1].id]
        assert connection.last.json["has_more"] is True


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"purpose": "holiday"}, "invalid_value"),
        ({"expires_after": {"anchor": "created_at", "seconds": 60}}, "integer_below_min_value"),
        ({"expires_after": {"anchor": "created_at"}}, "missing_required_parameter"),
        ({"expires_after": {"anchor": "updated_at", "seconds": HOUR}}, "invalid_value"),
    ],
)
async def test_an_upload_with_wrong_options_is_refused(form: dict[str, Any], code: str) -> None:
    async with connected() as connection:
        upload: Any = {"file": png(b"x"), "purpose": "vision"} | form
        with pytest.raises(openai.BadRequestError) as raised:
            await connection.client.files.create(**upload)
        assert raised.value.code == code


async def test_models_are_listed_with_the_date_of_their_end() -> None:
    async with connected() as connection:
        models = {model.id: model async for model in connection.client.models.list()}
        assert {"gpt-image-2", "gpt-image-2.5-flare-2026-09-08", "gpt-image-2.6-sunburst", "gpt-5.4"} <= models.keys()
        assert models["gpt-image-1.5"].shutdown_date == "2026-12-01"
        assert models["gpt-image-2"].shutdown_date is None
        assert "gpt-image-1" not in models
        assert (await connection.client.models.retrieve("gpt-image-2")).id == "gpt-image-2"
        with pytest.raises(openai.NotFoundError) as raised:
            await connection.client.models.retrieve("gpt-image-1")
        assert raised.value.code == "model_not_found"


async def test_every_request_is_recorded_without_its_images() -> None:
    async with connected(keys={"sk-sandbox"}) as connection:
        client, seen = connection.client, connection.sandbox.requests
        await client.images.edit(
            image=[png(painted(), "a.png"), png(painted(), "b.png")],
            mask=png(mask()),
            prompt="Snow",
            model="gpt-image-2",
            n=1,
        )
        assert (seen[0].method, seen[0].path) == ("POST", "/v1/images/edits")
        assert seen[0].fields == {"prompt": "Snow", "model": "gpt-image-2", "n": "1"}
        assert [(file.name, file.filename, file.mime_type, file.size) for file in seen[0].files] == [
            ("image[]", "a.png", "image/png", len(painted())),
            ("image[]", "b.png", "image/png", len(painted())),
            ("mask", "picture.png", "image/png", len(mask())),
        ]
        part: Any = {"type": "input_image", "image_url": data_url(painted()), "detail": "auto"}
        await client.responses.create(model="gpt-5.4", input=[{"role": "user", "content": [part]}])
        recorded = seen[1].fields["input"][0]["content"][0]["image_url"]
        assert recorded.startswith("data:image/png;base64,…")
        assert len(recorded) < 100
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="sk-other").images.generate(prompt="A cat", size=SMALL)
        with pytest.raises(openai.NotFoundError):
            await client.get("/nothing/here", cast_to=object)
        assert [(one.path, one.fields.get("prompt")) for one in seen[2:]] == [
            ("/v1/images/generations", "A cat"),
            ("/v1/nothing/here", None),
        ]
