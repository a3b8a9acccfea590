"""What the files of a turn are called: names that say by themselves which turn and picture they are."""

import re

from ..images.probe import UNKNOWN
from .running import Part

_ENDINGS = {"image/jpeg": "jpg", "image/svg+xml": "svg", UNKNOWN: "bin"}
_NAME = re.compile(r"(\d{3,})-(\d+)(?:-frame(\d+))?-(img_[0-9a-f]{32})\.[a-z0-9+]+")


def key_of(turn: tuple[str, int], part: Part, image_id: str, mime_type: str) -> str:
    """`thr_…/002-1-frame1-img_….png`: the thread's folder, the turn, the picture and its frame, counted from 1."""
    thread_id, number = turn
    index, frame = part
    framed = "" if frame is None else f"-frame{frame + 1}"
    ending = _ENDINGS.get(mime_type) or mime_type.removeprefix("image/")
    return f"{thread_id}/{number:03d}-{index + 1}{framed}-{image_id}.{ending}"


def part_in(name: str, number: int) -> Part | None:
    """Which picture of the turn of this number a file is; None for one of another turn, or with another kind of
    name."""
    read = _NAME.fullmatch(name)
    if read is None or int(read[1]) != number:
        return None
    return int(read[2]) - 1, int(read[3]) - 1 if read[3] else None


def place_in(name: str) -> str:
    """The turn, the picture and its frame, as the name says them."""
    return name.partition("-img_")[0]


def image_id_in(key: str) -> str:
    """The image_id in a key of this form."""
    read = _NAME.fullmatch(key.rpartition("/")[2])
    assert read is not None, "only keys that part_in can read are asked"
    return read[4]
