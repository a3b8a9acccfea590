"""Servers that are killed in the middle of paid calls lose nothing that was written, and double nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from holding import HeldSandbox, held_sandbox
from kills import killed, plan

pytestmark = pytest.mark.asyncio(loop_scope="module")
KILLS = 20  # `make kills N=…` does as many as are wanted


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[HeldSandbox]:
    async with held_sandbox() as one:
        yield one


@pytest.mark.parametrize("number", range(KILLS))
async def test_a_kill_at_any_instant_loses_and_doubles_nothing(
    number: int, sandbox: HeldSandbox, tmp_path: Path
) -> None:
    found = await killed(plan(number), sandbox, tmp_path)
    assert found.problems == ()
