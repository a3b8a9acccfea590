"""The one thread in which everything heavy happens: decoding, drawing, encoding, base64.

One picture at a time in the whole process, however many requests and event loops there are: two at once would compete
for the interpreter's lock with the loop that serves them, and hold it up for tens of milliseconds.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox")


async def in_studio(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `work` returns, done in the thread after everything that was asked for before."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, partial(work, *args, **kwargs))
