"""Copies for `save_to`, beside the images in the thread."""

import asyncio

from ..errors import ImagegenError
from ..inputs.destination import write_copy
from .running import Running


async def write_copies(running: Running) -> None:
    """Write a copy of each picture where the caller wants them, once. The images are safe by now, so that a failure
    here is only a warning."""
    if running.destination is None:
        return
    for made, image in running.images:
        if image.image_id in running.copied:
            continue
        running.copied.add(image.image_id)
        try:
            path = await asyncio.to_thread(write_copy, running.destination, made.index, made.data, image.key)
        except ImagegenError as error:
            running.warnings.append(f"no copy was written: {error.sentence}")
        else:
            running.warnings.append(f"a copy was saved to {path}")
