"""The example client does the main job over both transports, and the demo holds from start to end."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from doors import clean_environment, http_server
from pictures import opened

from mcp_imagegen.pricing.amounts import from_usd, shown

EXAMPLE = Path(__file__).parent.parent / "examples" / "client.py"


async def run(folder: Path, *command: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=folder, env=clean_environment(environment),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_the_example_does_the_main_job(tmp_path: Path, transport: str) -> None:
    state = {"MCP_IMAGEGEN_HOME": str(tmp_path / "state")}
    if transport == "stdio":
        code, output = await run(tmp_path, str(EXAMPLE), **state)
    else:
        async with http_server(state) as url:
            code, output = await run(tmp_path, str(EXAMPLE), url)
    assert code == 0, output
    assert "turn 2: make it night" in output
    for name in ("boat", "lake", "night"):
        assert opened((tmp_path / "example-output" / f"{name}.png").read_bytes()).size == (1024, 1024)


async def test_the_demo_holds_and_leaves_its_pictures_twice_in_a_row(tmp_path: Path) -> None:
    for _ in range(2):
        code, output = await run(tmp_path, "-m", "mcp_imagegen", "demo")
        assert code == 0, output
        assert "Every step held" in output
    amounts = re.findall(r"\$[\d.]+", output)
    assert amounts == [shown(from_usd(float(amount[1:]))) for amount in amounts], "as amounts are shown everywhere"
    assert len(amounts) == 15
    assert sorted(path.name for path in (tmp_path / "demo-output").iterdir()) == [
        "1-generated.png",
        "2-edited.png",
        "3-continued.png",
        "4-branched.png",
        "mask.png",
    ]
