"""Calls that tests send, and what comes of them."""

from contextlib import aclosing

from mcp_imagegen.errors import ImagegenError
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import Event, Finished, ImageCall, Named, ResponsesCall

GENERATE = ImageCall("gpt-image-2", "a cat")
STREAMED = ImageCall("gpt-image-2", "a cat", partial_images=2)
RESPOND = ResponsesCall("gpt-5.4", "gpt-image-2", "a cat")
RESPOND_STREAMED = ResponsesCall("gpt-5.4", "gpt-image-2", "a cat", partial_images=2)


async def outcome(client: OpenAIClient, call: ImageCall | ResponsesCall) -> tuple[list[Event], ImagegenError | None]:
    """What came, and the error that ended it."""
    came: list[Event] = []
    try:
        async with aclosing(client.send(call)) as events:
            async for event in events:
                came.append(event)
    except ImagegenError as failed:
        return came, failed
    return came, None


async def refused(client: OpenAIClient, call: ImageCall | ResponsesCall) -> ImagegenError:
    came, failed = await outcome(client, call)
    assert [event for event in came if not isinstance(event, Named | Finished)] == [], "only what was used may come"
    assert failed is not None
    return failed
