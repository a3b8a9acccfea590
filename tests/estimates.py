"""`make estimates`: how far estimates are off from what the sandbox counts, over 200 calls of mixed kinds, and from the
guide's tables and a second implementation of the formulas.

The sandbox shares no code with the estimates; it counts by the same published formulas, and makes up the tokens of the
host model within the range of recorded answers.
"""

import asyncio
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doors import call, client_of
from mcp import Client
from pictures import alpha_mask, png, saved
from state_file import rows
from test_pricing_estimate import GUIDE, guide_cells, residuals
from test_pricing_tokens import counted_twice

from mcp_imagegen.catalog.sizes import written
from mcp_imagegen.ledger.accuracy import Billed, accuracy

MODELS = ("gpt-image-2", "gpt-image-2.5-flare", "gpt-image-1-mini")
SIZES = ("1024x640", "1024x1024", "1536x1024")
WORDS = "a lighthouse on a cliff at dusk with warm light and long shadows over calm water".split()
QUERY = "SELECT thread_id, turn, nano, low_nano, expected_nano, high_nano FROM ledger_entries WHERE status = 'settled'"


@dataclass
class Run:
    """The calls of one run; `kinds` says of which kind a turn was."""

    client: Client
    folder: Path
    chance: random.Random
    kinds: dict[tuple[str, int], str] = field(default_factory=dict)
    threads: list[str] = field(default_factory=list)

    async def made(self, kind: str, tool: str, **arguments: Any) -> None:
        prompt = " ".join(self.chance.choices(WORDS, k=self.chance.randint(2, 60)))
        answer = await call(self.client, tool, prompt=prompt, **arguments)
        self.kinds[answer["thread_id"], answer["turn"]] = kind
        self.threads.append(answer["thread_id"])

    def shape(self) -> dict[str, str]:
        model = self.chance.choice(MODELS)
        sizes = SIZES[1:] if model == "gpt-image-1-mini" else SIZES
        return {"model": model, "size": self.chance.choice(sizes), "quality": self.chance.choice(["low", "medium"])}

    def picture(self) -> str:
        size = self.chance.randrange(200, 2_000), self.chance.randrange(200, 2_000)
        return saved(self.folder / f"{size[0]}x{size[1]}.png", png(size))

    async def generation(self) -> None:
        await self.made("generation", "generate_image", **self.shape(), n=self.chance.randint(1, 2))

    async def frames(self) -> None:
        shape = {**self.shape(), "partial_images": self.chance.randint(1, 3)}
        await self.made("generation with partial images", "generate_image", **shape)

    async def auto(self) -> None:
        await self.made("generation, size and quality auto", "generate_image", model=self.chance.choice(MODELS))

    async def edit(self) -> None:
        images = [self.picture() for _ in range(self.chance.randint(1, 3))]
        await self.made("edit", "edit_image", images=images, **self.shape())

    async def masked(self) -> None:
        mask = saved(self.folder / "mask.png", alpha_mask((640, 480), (100, 100, 400, 300)))
        image = saved(self.folder / "masked.png", png((640, 480)))
        await self.made("edit with a mask", "edit_image", images=[image], mask=mask, **self.shape())

    async def continuation(self) -> None:
        thread = self.chance.choice(self.threads)
        await self.made("continuation", "continue_image_thread", thread_id=thread, size="1024x1024", quality="low")

    async def history(self) -> None:
        thread = self.chance.choice(self.threads)
        shape = {"size": "1024x1024", "quality": "low", "history": "full"}
        await self.made("continuation with its history", "continue_image_thread", thread_id=thread, **shape)


def tables() -> None:
    """The guide's cells, and every legal size at every quality."""
    differ = {cell: off for model in GUIDE for cell, off in residuals(model).items()}
    compared = sum(len(guide_cells(model)) for model in GUIDE)
    print(f"cells of the guide: {compared} compared; {len(differ)} differ from it to three decimals, by (10^-9 USD)")
    for (model, quality, size), off in differ.items():
        print(f"  {model:<18}{quality:<8}{written(size):<11}{off:>+11,}")
    sizes, _, wrong = counted_twice()
    print(f"sizes and qualities of gpt-image-2 and 2.5: {sizes:,} compared with fractions; {len(wrong)} differ")


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "work"
        folder.mkdir()
        environment = {
            "MCP_IMAGEGEN_HOME": home,
            "MCP_IMAGEGEN_PROVIDER": "sandbox",
            "MCP_IMAGEGEN_ROOTS": str(folder),
            "MCP_IMAGEGEN_PREVIEW": "off",
        }
        async with client_of(environment) as client:
            run = Run(client, folder, random.Random(5))
            kinds: list[Callable[[], Awaitable[None]]] = [
                run.generation, run.edit, run.masked, run.auto, run.frames, run.continuation, run.history,
            ]  # fmt: skip
            for number in range(count):
                await kinds[number % len(kinds)]()
        found = defaultdict(list)
        for row in rows(Path(home), QUERY):
            amounts = Billed(row["nano"], row["low_nano"], row["expected_nano"], row["high_nano"])
            found[run.kinds[row["thread_id"], row["turn"]]].append(amounts)
    found["all"] = [amounts for calls in found.values() for amounts in calls]
    print(f"{'kind':<36}{'calls':>6}{'median':>9}{'worst':>9}{'outside':>9}")
    for kind, calls in found.items():
        one = accuracy("sandbox", kind, calls)
        print(f"{kind:<36}{one.calls:>6}{one.median:>+9.2%}{one.worst:>+9.2%}{one.outside:>9}")


if __name__ == "__main__":
    tables()
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
