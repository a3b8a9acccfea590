"""`mcp-imagegen demo`: the main job on the sandbox, driven by a real MCP client over stdio, each step checked."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from PIL import Image, ImageChops, ImageDraw

from ..pricing.amounts import from_usd, shown

SIZE = (1536, 1024)  # width x height
WIDE = "3840x2160"
OURS = ("MCP_IMAGEGEN_", "OPENAI_", "AZURE_OPENAI_")  # variables that would change what the demo shows
MODELS_4K = ("gpt-image-2", "gpt-image-2.5-flare", "gpt-image-2.6-sunburst")
PROMPT = "A lighthouse on a cliff at dusk, warm light, long shadows"
STAGES = {"submitted": 5, "rendering": 20, "frame 1": 50, "frame 2": 80, "saving": 95}  # percent


class StepFailed(Exception):
    """A step of the demo did not hold."""


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise StepFailed(what)


@dataclass
class Demo:
    """One run: the client it drives, where the pictures go, and the rows of the final table."""

    client: Client
    output: Path
    rows: list[tuple[str, dict[str, Any], Path]] = field(default_factory=list)

    async def run(self) -> None:
        await self.list_tools()
        first = await self.paid("generate_image", "1-generated.png", prompt=PROMPT, size=_text(SIZE), quality="medium")
        edited = await self.edit(first)
        await self.continue_twice(edited)
        await self.estimate()
        await self.show_threads(edited["thread_id"])
        self.table()

    async def list_tools(self) -> None:
        tools = (await self.client.list_tools()).tools
        heading(f"Tools (MCP {self.client.protocol_version})")
        for tool in tools:
            click.echo(f"  {tool.name:<22} {(tool.description or '')[:90]}")
        expect(len(tools) == 5, "five tools are listed")

    async def paid(self, tool: str, name: str, **arguments: Any) -> dict[str, Any]:
        """Make a paid call with a bar while it renders; the picture lands in the output folder."""
        heading(f"{tool}: {arguments['prompt']}")
        with progress_bar() as step:

            async def on_progress(progress: float, total: float | None, message: str | None) -> None:
                step(message or "")

            result = await self.client.call_tool(
                tool,
                {"partial_images": 2, "save_to": str(self.output / name), **arguments},
                progress_callback=on_progress,
            )
        answer = answered(result)
        expect(answer["status"] == "completed", f"{tool} completed")
        picture = answer["images"][0]
        click.echo(f"  thread {answer['thread_id']}, turn {answer['turn']}, image {picture['image_id']}")
        path = self.output / name
        with Image.open(path) as image:
            image.load()
            expect(image.size == (picture["width"], picture["height"]), f"{name} has the size that was answered")
        expect(path.read_bytes() == Path(picture["path"]).read_bytes(), f"{name} is the original byte for byte")
        self.rows.append((tool, answer, path))
        return answer

    async def edit(self, first: dict[str, Any]) -> dict[str, Any]:
        """Edit inside an ellipse; outside of it no pixel may change."""
        mask_path = self.output / "mask.png"
        mask = Image.new("L", SIZE, 0)
        ImageDraw.Draw(mask).ellipse((900, 120, 1400, 620), fill=255)
        mask.save(mask_path)
        edited = await self.paid(
            "edit_image",
            "2-edited.png",
            prompt="Add a full moon",
            images=[first["images"][0]["image_id"]],
            mask=str(mask_path),
        )
        with Image.open(self.output / "1-generated.png") as before, Image.open(self.output / "2-edited.png") as after:
            changed = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).convert("L").point(bool)
        outside = ImageChops.multiply(changed.point(lambda v: v * 255), mask.point(lambda v: 255 - v))
        expect(outside.getbbox() is None, "no pixel changed outside the mask")
        expect(changed.getbbox() is not None, "the picture changed inside the mask")
        click.echo("  the mask was respected: every pixel outside it is as before")
        return edited

    async def continue_twice(self, edited: dict[str, Any]) -> None:
        """Once from the tip, once branching from the thread's first image."""
        thread = edited["thread_id"]
        origin = edited["images"][0]["image_id"]
        second = await self.paid(
            "continue_image_thread", "3-continued.png", thread_id=thread, prompt="Make it a stormy night"
        )
        branch = await self.paid(
            "continue_image_thread", "4-branched.png", thread_id=thread, prompt="Make it snow", from_image=origin
        )
        expect([second["turn"], branch["turn"]] == [2, 3], "the turns are numbered 2 and 3")
        expect(all(a["images"][0].get("call_id") for a in (second, branch)), "each turn keeps its call id")

    async def estimate(self) -> None:
        heading(f"estimate_cost: one {WIDE} image at high quality")
        for model in MODELS_4K:
            arguments = {"prompt": PROMPT, "model": model, "size": WIDE, "quality": "high"}
            price = answered(await self.client.call_tool("estimate_cost", arguments))
            expect(price["expected_usd"] > 0, f"{model} has a price")
            amount = _shown(price["expected_usd"])
            click.echo(f"  {model:<24} {amount:>8}  {price['basis']}, {price.get('prices_as_of', '')}")

    async def show_threads(self, thread_id: str) -> None:
        heading("get_image_thread")
        thread = answered(await self.client.call_tool("get_image_thread", {"thread_id": thread_id}))["thread"]
        turns = thread["turns"]
        expect(turns[2]["from_image"] == turns[0]["images"][0]["image_id"], "turn 3 branches from the first image")
        made_by = {image["image_id"]: turn["turn"] for turn in turns for image in turn["images"]}
        for turn in turns:
            parent = made_by.get(turn.get("from_image"))
            depth = "  " * (0 if parent is None else 1 if parent == 1 else 2)
            click.echo(f"  {depth}turn {turn['turn']}: {turn['prompt']}  ({_shown(turn['cost_usd'])})")
        threads = answered(await self.client.call_tool("get_image_thread", {}))["threads"]
        spent = sum(row["cost_usd"] for row in threads)
        expect(abs(spent - sum(a["cost"]["usd"] for _, a, _ in self.rows)) < 1e-9, "the threads add up to the calls")
        click.echo(f"  spent in {len(threads)} threads: {_shown(spent)} by OpenAI's prices; the sandbox bills nothing")

    def table(self) -> None:
        heading("Results")
        click.echo(f"  {'call':<22} {'size':<10} {'estimate':>9} {'price':>9}  file")
        for tool, answer, path in self.rows:
            cost = answer["cost"]
            estimate, price = _shown(cost["estimate_usd"]), _shown(cost["usd"])
            click.echo(f"  {tool:<22} {answer['size']:<10} {estimate:>9} {price:>9}  {path}")


def heading(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


@asynccontextmanager
async def connected(home: Path, output: Path) -> AsyncIterator[Client]:
    """A client of a server of our own, on the sandbox, with a state folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment = {
        "MCP_IMAGEGEN_PROVIDER": "sandbox",
        "MCP_IMAGEGEN_HOME": str(home),
        "MCP_IMAGEGEN_ROOTS": str(output),
    }
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_imagegen", "serve"], env={**kept, **environment}
    )
    async with Client(server) as client:
        yield client


class progress_bar:  # noqa: N801 - used like a function, as click's own
    """A bar that moves as the server tells what it does."""

    def __init__(self) -> None:
        self._bar = click.progressbar(length=100, label="  rendering", show_eta=False, width=32)
        self._at = 0
        self._plain = not sys.stdout.isatty()  # a bar is for terminals; a log gets lines

    def __enter__(self) -> Callable[[str], None]:
        if not self._plain:
            self._bar.__enter__()
        return self._step

    def _step(self, message: str) -> None:
        if self._plain:
            click.echo(f"  {message}")
            return
        stage = next((share for begin, share in STAGES.items() if message.startswith(begin)), self._at)
        self._bar.update(max(0, stage - self._at))
        self._at = max(self._at, stage)

    def __exit__(self, *failure: Any) -> None:
        if not self._plain:
            self._bar.update(100 - self._at)
            self._bar.__exit__(*failure)


def answered(result: CallToolResult) -> dict[str, Any]:
    said = next((block.text for block in result.content if isinstance(block, TextContent)), "")
    expect(not result.is_error, said)
    expect(result.structured_content is not None, "the result is structured")
    return dict(result.structured_content or {})


def _shown(usd: float) -> str:
    return shown(from_usd(usd))


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _clean(output: Path) -> None:
    """Remove what an earlier run left; nothing else in the folder is touched."""
    output.mkdir(parents=True, exist_ok=True)
    for name in ("1-generated.png", "2-edited.png", "3-continued.png", "4-branched.png", "mask.png"):
        (output / name).unlink(missing_ok=True)


async def _demo(output: Path) -> None:
    _clean(output)
    with tempfile.TemporaryDirectory(prefix="mcp-imagegen-") as home:
        async with connected(Path(home), output) as client:
            await Demo(client, output).run()


@click.command(name="demo")
@click.option("--output", default="demo-output", show_default=True, type=click.Path(file_okay=False, path_type=Path))
def command(output: Path) -> None:
    """Generate, edit with a mask, continue twice, estimate and look back, on the sandbox; no key is needed."""
    try:
        asyncio.run(_demo(output.resolve()))
    except StepFailed as failure:
        raise click.ClickException(f"this step did not hold: {failure}") from None
    click.echo()
    click.secho(f"Every step held. The pictures are in {output}.", fg="green")
