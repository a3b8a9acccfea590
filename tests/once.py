"""What is the same in every test, and takes longer than most calls do, is done once in a run of the tests.

Each of these is a function of its arguments alone. A process of a user's does them once too, or few times, but a run
makes a thousand servers.
"""

import asyncio
import hashlib
import json
import os
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import httpcore2
import jsonschema
import pytest
from PIL import Image
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mcp_imagegen.database import engine as database
from mcp_imagegen.images.preview import preview
from mcp_imagegen.images.soundness import fault
from mcp_imagegen.pipeline import keeping, looking, receiving
from mcp_imagegen.sandbox import renderings
from mcp_imagegen.sandbox.inputs import Materials
from mcp_imagegen.sandbox.options import Options
from mcp_imagegen.sandbox.renderings import Rendering
from mcp_imagegen.tools import tool

KEPT = 64  # pictures, each of which may have megabytes
drawn_anew = renderings.rendered


def schemas(patch: pytest.MonkeyPatch) -> None:
    """Each server makes the tools' schemas, and each client checks them."""
    validator, checked = jsonschema.Draft202012Validator, set[str]()
    check = validator.check_schema

    def check_once(schema: dict[str, Any]) -> None:
        if (text := json.dumps(schema)) not in checked:
            check(schema)
            checked.add(text)

    def made_once(make: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        text = cache(lambda model: json.dumps(make(model)))
        return lambda model: json.loads(text(model))

    patch.setattr(validator, "check_schema", check_once)
    patch.setattr(tool, "input_schema", made_once(tool.input_schema))
    patch.setattr(tool, "output_schema", made_once(tool.output_schema))


def certificates(patch: pytest.MonkeyPatch) -> None:
    """Each client of HTTP reads the system's authorities; those that a test names are read each time."""
    read, outside = httpcore2.default_ssl_context, named()
    ours = cache(lambda trust_env: read(_trust_env=trust_env))

    def read_once(*, _trust_env: bool = True) -> ssl.SSLContext:
        return ours(_trust_env) if named() == outside else read(_trust_env=_trust_env)

    patch.setattr(httpcore2, "default_ssl_context", read_once)


def named() -> list[str | None]:
    return [os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]


def statements(patch: pytest.MonkeyPatch) -> None:
    """Each database translates the same statements into SQL: an engine keeps them, and does so for its dialect."""
    opened = database._open

    async def connected() -> Any:
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.connect():  # which tells its dialect what this SQLite can do
            pass
        await engine.dispose()
        return engine.sync_engine

    with ThreadPoolExecutor() as aside:
        known = aside.submit(asyncio.run, connected()).result()

    def open_alike(file: Path, busy_s: float) -> AsyncEngine:
        engine = opened(file, busy_s)
        engine.sync_engine.dialect = known.dialect
        engine.sync_engine._compiled_cache = known._compiled_cache
        return engine

    patch.setattr(database, "_open", open_alike)


def pictures(patch: pytest.MonkeyPatch) -> None:
    """Most tests ask for one of a few pictures, and look at what becomes of it rather than at its pixels."""
    kept: dict[tuple[object, ...], Rendering] = {}

    def draw_once(options: Options, materials: Materials, index: int = 0) -> Rendering:
        inputs = (materials.base, materials.mask, *materials.others)
        key = (repr(options), index, *(image and digest(image) for image in inputs))
        if key not in kept:
            while len(kept) >= KEPT:
                kept.pop(next(iter(kept)), None)
            kept[key] = drawn_anew(options, materials, index)
        return kept[key]

    patch.setattr(renderings, "rendered", draw_once)
    patch.setattr(looking, "preview", lru_cache(KEPT)(preview))
    for room in (keeping, receiving):
        patch.setattr(room, "fault", lru_cache(KEPT)(fault))


def digest(image: Image.Image) -> tuple[object, ...]:
    return image.mode, image.size, hashlib.blake2b(image.tobytes()).digest()
