"""Pictures in data URLs, however their base64 is written."""

import base64
import random
import textwrap
from collections.abc import Callable

import pytest
from conftest import Upstream
from doors import call, refusal
from mcp import Client
from pictures import encoded
from PIL import Image

SMALL = {"size": "1024x640", "quality": "low"}
NOISE = random.Random(7).randbytes(64 * 64)
# With every sign of the alphabet, and padding at its end.
PICTURES = (encoded(Image.frombytes("L", (64, high), NOISE[: 64 * high])) for high in range(40, 64))
NOISY = next(picture for picture in PICTURES if len(picture) % 3)
PLAIN = base64.b64encode(NOISY).decode()
WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in lines": lambda text: textwrap.fill(text, 76) + "\n",
    "in lines of Windows": lambda text: "\r\n".join(textwrap.wrap(text, 64)),
    "with spaces": lambda text: "  ".join(textwrap.wrap(text, 10)),
    "in an indented block": lambda text: textwrap.indent(textwrap.fill(text, 70), "\t"),
    "in the alphabet for URLs": lambda text: text.replace("+", "-").replace("/", "_"),
    "without padding": lambda text: text.rstrip("="),
    "all together": lambda text: textwrap.fill(text.replace("+", "-").replace("/", "_").rstrip("="), 76),
}


@pytest.mark.parametrize("written", WRITTEN)
async def test_a_data_url_is_read_however_its_base64_is_written(
    client: Client, upstream: Upstream, written: str
) -> None:
    assert {"+", "/", "="} <= set(PLAIN)
    url = "data:image/png;base64," + WRITTEN[written](PLAIN)
    await call(client, "edit_image", prompt="a hat", images=[url], **SMALL)
    [(_, file)] = [(seen, file) for seen in upstream.asked for file in seen.files]
    assert file.size == len(NOISY)


@pytest.mark.parametrize("payload", [PLAIN[:41], "@" + PLAIN, PLAIN[:40] + "=" + PLAIN[40:], " \n"])
async def test_what_is_no_base64_is_refused(client: Client, upstream: Upstream, payload: str) -> None:
    said = await refusal(client, "edit_image", prompt="a hat", images=[f"data:image/png;base64,{payload}"], **SMALL)
    assert said.startswith("input_rejected: images[0]: the data URL is ")
    assert upstream.asked == []
