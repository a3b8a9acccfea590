"""A start imports the SDK, the settings and the tools' signatures, and nothing heavier."""

import subprocess
import sys

HEAVY = ("sqlalchemy", "aiosqlite", "alembic", "PIL", "obstore", "click", "stamina")
LISTING = """
import asyncio, sys
from mcp import Client
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment
import mcp_imagegen.transports.stdio
before = set(sys.modules)
server = ImagegenServer(from_environment({}), local=True)
asyncio.run(server.list_tools())
print(" ".join(sorted(sys.modules)))
"""


def test_listing_the_tools_imports_nothing_heavy() -> None:
    shown = subprocess.run([sys.executable, "-c", LISTING], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in shown.stdout.split()}
    assert "mcp" in loaded
    # click comes with uvicorn, which the SDK imports by itself
    assert loaded.isdisjoint(set(HEAVY) - {"click"})
