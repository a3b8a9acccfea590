"""What a provider says in a refusal is repeated with care: never the key, in whatever form, and no picture."""

import pytest
from capture_server import CaptureServer, Reply, json_reply
from openai_bodies import error
from pydantic import SecretStr

from mcp_imagegen.errors import ImagegenError
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import ImageCall

KEY = "sk-proj-Aa0123456789-secret_tail"


@pytest.fixture
def client(openai_client: OpenAIClient) -> OpenAIClient:
    return openai_client


async def failed(client: OpenAIClient) -> ImagegenError:
    with pytest.raises(ImagegenError) as raised:
        async for _ in client.send(ImageCall("gpt-image-2", "a cat")):
            pass
    return raised.value


@pytest.mark.parametrize("key", [KEY, "q8Zr-own-style-key-77", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
async def test_a_key_that_the_provider_repeats_is_not_repeated(capture: CaptureServer, key: str, status: int) -> None:
    said = f"Your key {key} (Authorization: Bearer {key}) is not welcome"
    capture.answers(json_reply({"error": {"message": said, "param": key}}, status))
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr(key), trust_env=False)
    refusal = await failed(client)
    await client.aclose()
    assert key not in str(refusal) + refusal.fix + repr(refusal) + repr(refusal.__cause__)
    assert key not in repr(vars(client))


@pytest.mark.parametrize(
    "words",
    [
        "Incorrect API key provided: sk-te*********cdef.",
        "Invalid proxy server token passed. Received API Key = sk-...cdef, Key Hash (Token) =0123",
        "No such key: sk-***cdef",
        "No such key: sk-te...cdef",
    ],
)
async def test_a_key_is_named_by_its_variable_and_not_by_what_the_provider_shows_of_it(
    capture: CaptureServer, client: OpenAIClient, words: str
) -> None:
    capture.answers(json_reply(error(words, "invalid_api_key"), 401))
    assert (await failed(client)).sentence.endswith("does not accept the key in OPENAI_API_KEY")


async def test_without_a_key_a_401_says_that_none_is_set(capture: CaptureServer) -> None:
    capture.answers(json_reply(error("You didn't provide an API key."), 401))
    client = OpenAIClient(base_url=capture.url, api_key=None, trust_env=False)
    refusal = await failed(client)
    await client.aclose()
    assert "none is set" in refusal.sentence


async def test_image_data_in_an_error_is_left_out(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(error("cannot read data:image/png;base64," + "iVBORw0K" * 30), 400))
    assert (await failed(client)).sentence.endswith("base64,[redacted]")


async def test_a_date_to_wait_for_is_compared_with_the_answers_own(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    dates = {"retry-after": "Fri, 20 Nov 2026 10:03:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}
    capture.answers(Reply(status=429, headers=dates))
    assert "wait 3 minutes," in (await failed(client)).fix
