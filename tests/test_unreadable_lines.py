"""Lines over stdio that are no message to the SDK: every request among them is answered all the same."""

import json
from typing import Any

import pytest
from mcp.types import INVALID_REQUEST, PARSE_ERROR
from test_stdio import Raw, raw

CALL = '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"%s","arguments":%s}}'
DEEP = '{"prompt":"x","extra":' + '{"a":' * 3_000 + "1" + "}" * 3_001
LISTED = {"jsonrpc": "2.0", "id": "last", "method": "tools/list", "params": {}}


async def send(client: Raw, line: str) -> None:
    assert client.process.stdin is not None
    client.process.stdin.write(line.encode() + b"\n")
    await client.process.stdin.drain()


async def answers(client: Raw, line: str) -> list[dict[str, Any]]:
    """What comes for the line, before the answer to a request behind it."""
    await send(client, line)
    await send(client, json.dumps(LISTED))
    seen: list[dict[str, Any]] = []
    while (message := await client.message()).get("id") != "last":
        seen.append(message)
    return seen


@pytest.mark.parametrize("half", [r"\ud83d", r"\uDE00", r"\ude00\ud83d"])
async def test_half_an_emoji_does_not_keep_a_call_from_its_picture(environment: dict[str, str], half: str) -> None:
    """JavaScript's JSON.stringify writes text that was cut in the middle of an emoji in this way."""
    prompt = rf'"a cat \ud83d\ude00 {half} \\ud83d"'
    arguments = '{"size":"1024x640","quality":"low","prompt":' + prompt + "}"
    async with raw(environment) as client:
        await client.start()
        await send(client, CALL % (7, "generate_image", arguments))
        made = (await client.answer(7))["result"]["structuredContent"]
        await send(client, CALL % (8, "get_image_thread", json.dumps({"thread_id": made["thread_id"]})))
        thread = (await client.answer(8))["result"]["structuredContent"]["thread"]
    assert made["status"] == "completed"
    replaced = "\N{REPLACEMENT CHARACTER}" * half.count("\\")
    assert thread["turns"][0]["prompt"] == f"a cat \N{GRINNING FACE} {replaced} \\ud83d", "and nothing else is replaced"


@pytest.mark.parametrize(
    "line",
    [
        CALL % (7, "generate_image", DEEP),
        '{"method":"tools/call","params":{"arguments":' + DEEP + '},"jsonrpc":"2.0","id":7}',
        '{"params":{"id":8,"a":%s},"method":"tools/call","id":7,"jsonrpc":"2.0"}' % ("[" * 500 + "]" * 500),
        r'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"\ud83d":[%s]}}' % ("[" * 250 + "]" * 250),
        '{"jsonrpc":"2.0","id":7}',
        '{"jsonrpc":"1.0","id":7,"method":"tools/list"}',
        '{"jsonrpc":"2.0","id":7,"method":"tools/list","params":[1]}',
    ],
    ids=["deep", "id last", "id in the middle", "deep with half an emoji", "no method", "version", "params"],
)
async def test_a_request_that_cannot_be_one_is_refused_by_its_id(environment: dict[str, str], line: str) -> None:
    async with raw(environment) as client:
        await client.start()
        (answer,) = await answers(client, line)
    assert answer["id"] == 7
    assert answer["error"]["code"] == INVALID_REQUEST


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"id":8,"name":', 7),
        ('{"jsonrpc":"2.0","id":"a\\"7","method":tools/call}', 'a"7'),
        ('{"params":{"id":8},,', None),
        ("tools/list", None),
    ],
    ids=["cut", "text", "before the id", "no JSON"],
)
async def test_what_is_no_json_is_answered_as_far_as_its_id_is_told(
    environment: dict[str, str], line: str, known: object
) -> None:
    async with raw(environment) as client:
        await client.start()
        (answer,) = await answers(client, line)
    assert answer["id"] == known
    assert answer["error"]["code"] == PARSE_ERROR


@pytest.mark.parametrize(
    "line",
    ['{"jsonrpc":"2.0","id":7,"result":%s}' % ("[" * 500 + "]" * 500), '{"jsonrpc":"2.0","id":7,"error":{}}', "[1]"],
    ids=["deep answer", "wrong answer", "list"],
)
async def test_no_error_takes_the_id_of_an_answer_for_that_of_a_request(environment: dict[str, str], line: str) -> None:
    async with raw(environment) as client:
        await client.start()
        (answer,) = await answers(client, line)
    assert answer["id"] is None
    assert answer["error"]["code"] == INVALID_REQUEST


async def test_an_empty_line_is_no_message(environment: dict[str, str]) -> None:
    async with raw(environment) as client:
        await client.start()
        assert await answers(client, " ") == []
