"""Ids of threads and images: a prefix and 128 random bits, so that nobody finds somebody else's by trying."""

import re
import secrets

THREAD_ID = re.compile(r"thr_[0-9a-f]{32}")
IMAGE_ID = re.compile(r"img_[0-9a-f]{32}")
_RANDOM_BYTES = 16


def new_thread_id() -> str:
    return f"thr_{secrets.token_hex(_RANDOM_BYTES)}"


def new_image_id() -> str:
    return f"img_{secrets.token_hex(_RANDOM_BYTES)}"


def is_thread_id(text: str) -> bool:
    return THREAD_ID.fullmatch(text) is not None


def is_image_id(text: str) -> bool:
    return IMAGE_ID.fullmatch(text) is not None
