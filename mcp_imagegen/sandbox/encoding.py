"""Pictures as files: png, jpeg, webp and animated gif, and the blurred frames that a stream sends first."""

import io
from collections.abc import Sequence

from PIL import Image

LONGEST_DELAY_MS = 655_350  # a gif counts its delays in hundredths of a second, in 16 bits


def encoded(image: Image.Image, output_format: str, compression: int) -> bytes:
    """The image as a png, jpeg or webp file.

    `compression` is the API's `output_compression`, 0 to 100, where 100 is the least compressed; png ignores it.
    """
    out = io.BytesIO()
    match output_format:
        case "jpeg":
            image.convert("RGB").save(out, "JPEG", quality=1 + round(0.94 * compression))
        case "webp":
            image.save(out, "WEBP", quality=compression, method=0)
        case _:
            image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def animated(frames: Sequence[Image.Image], delay_ms: int) -> bytes:
    """The frames as an endless gif. The delay of a frame is rounded to 10 ms and is at most 655,350 ms."""
    palette = frames[0].convert("RGB").quantize(255)
    first, *rest = (frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    delay = min(LONGEST_DELAY_MS, max(10, round(delay_ms / 10) * 10))
    out = io.BytesIO()
    first.save(out, "GIF", save_all=True, append_images=rest, duration=delay, loop=0, disposal=1, optimize=False)
    return out.getvalue()


def unfinished(image: Image.Image, count: int) -> list[Image.Image]:
    """`count` frames of the same size that come closer and closer to the image."""
    return [_blurred(image, 2 ** (count - index + 2)) for index in range(count)]


def _blurred(image: Image.Image, factor: int) -> Image.Image:
    small = max(1, image.width // factor), max(1, image.height // factor)
    return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)
