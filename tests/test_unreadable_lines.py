"""Lines over stdio that are no message to the SDK: every request among them is answered all the same."""

import json
from typing import Any

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


async def test_half_an_emoji_does_not_keep_a_call_from_its_picture(environment: dict[str, str]) -> None:
    """JavaScript's JSON.stringify writes text that was cut in the middle of an emoji in this way."""
    async with raw(environment) as client:
        await client.start()
        for half in (r"\ud83d", r"\uDE00", r"\ude00\ud83d"):
            prompt = rf'"a cat \ud83d\ude00 {half} \\ud83d"'
            await send(
                client, CALL % (7, "generate_image", '{"size":"1024x640","quality":"low","prompt":' + prompt + "}")
            )
            made = (await client.answer(7))["result"]["structuredContent"]
            await send(client, CALL % (8, "get_image_thread", json.dumps({"thread_id": made["thread_id"]})))
            thread = (await client.answer(8))["result"]["structuredContent"]["thread"]
            assert made["status"] == "completed"
            replaced = "\N{REPLACEMENT CHARACTER}" * half.count("\\")
            said = f"a cat \N{GRINNING FACE} {replaced} \\ud83d"
            assert thread["turns"][0]["prompt"] == said, "and nothing else is replaced"


REFUSED = {  # each line with the id and the code of its error
    "deep": (CALL % (7, "generate_image", DEEP), 7, INVALID_REQUEST),
    "id last": (
        '{"method":"tools/call","params":{"arguments":' + DEEP + '},"jsonrpc":"2.0","id":7}',
        7,
        INVALID_REQUEST,
    ),
    "id in the middle": (
        '{"params":{"id":8,"a":%s},"method":"tools/call","id":7,"jsonrpc":"2.0"}' % ("[" * 500 + "]" * 500),
        7,
        INVALID_REQUEST,
    ),
    "deep with half an emoji": (
        r'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"\ud83d":[%s]}}' % ("[" * 250 + "]" * 250),
        7,
        INVALID_REQUEST,
    ),
    "no method": ('{"jsonrpc":"2.0","id":7}', 7, INVALID_REQUEST),
    "version": ('{"jsonrpc":"1.0","id":7,"method":"tools/list"}', 7, INVALID_REQUEST),
    "params": ('{"jsonrpc":"2.0","id":7,"method":"tools/list","params":[1]}', 7, INVALID_REQUEST),
    "cut": ('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"id":8,"name":', 7, PARSE_ERROR),
    "text": ('{"jsonrpc":"2.0","id":"a\\"7","method":tools/call}', 'a"7', PARSE_ERROR),
    "before the id": ('{"params":{"id":8},,', None, PARSE_ERROR),
    "no JSON": ("tools/list", None, PARSE_ERROR),
    # no error takes the id of an answer for that of a request
    "deep answer": ('{"jsonrpc":"2.0","id":7,"result":%s}' % ("[" * 500 + "]" * 500), None, INVALID_REQUEST),
    "wrong answer": ('{"jsonrpc":"2.0","id":7,"error":{}}', None, INVALID_REQUEST),
    "list": ("[1]", None, INVALID_REQUEST),
}


async def test_what_cannot_be_a_request_is_refused_as_far_as_its_id_is_told(environment: dict[str, str]) -> None:
    async with raw(environment) as client:
        await client.start()
        told = {name: await answers(client, line) for name, (line, _, _) in REFUSED.items()}
    said = {name: [(answer["id"], answer["error"]["code"]) for answer in some] for name, some in told.items()}
    assert said == {name: [(known, code)] for name, (_, known, code) in REFUSED.items()}


async def test_an_empty_line_is_no_message(environment: dict[str, str]) -> None:
    async with raw(environment) as client:
        await client.start()
        assert await answers(client, " ") == []
