"""From references to checked images: followed, measured, and in a form that the API takes."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from ..errors import ImagegenError, PathNotAllowed
from ..images.probe import header
from . import data_url
from .fetch import fetch
from .markups import check_markup
from .masks import prepare_mask
from .reference import Reference, parse
from .roots import Roots, read_file
from .sendable import IMAGE_BYTES, sendable

_AT_ONCE = 2  # pictures that are decoded at the same time; each takes 4 bytes a pixel

Saved = Callable[[str], Awaitable[tuple[bytes, str]]]  # image_id -> bytes and type; raises ImageNotFound


@dataclass(frozen=True)
class InputImage:
    """An image to send, width x height in pixels, upright; or a file that only the API knows, then without data and
    size."""

    data: bytes | None = field(repr=False)
    name: str  # of the file in a multipart body
    mime_type: str | None
    width: int | None
    height: int | None
    file_id: str | None = None
    image_id: str | None = None
    turned: bool = False  # it was not upright before
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """The images of a call in order, its mask, and what the caller should know."""

    images: tuple[InputImage, ...]
    mask: InputImage | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class InputLoader:
    """Follows references. `roots` None: clients do not share the disk (HTTP), so that paths mean nothing."""

    roots: Roots | None
    max_pixels: int
    fetch_hosts: Collection[str] = ()

    async def load(
        self, references: Sequence[str], mask: str | None, saved: Saved, *, parent: str | None = None
    ) -> Inputs:
        """The checked images and mask; `parent` is an image_id that goes before the others. Errors name the input that
        is wrong: `images[1]: …`, `mask: …`, `from_image: …`.

        Raises InputNotFound, InputRejected, PathNotAllowed, FetchBlocked, MaskRejected, ImageNotFound, InvalidArgument.
        """
        limit = asyncio.Semaphore(_AT_ONCE)
        named = [("from_image", parent)] if parent is not None else []
        named += [(f"images[{at}]", text) for at, text in enumerate(references)]
        loads = [self._named(name, self._image(text, name, at, saved, limit)) for at, (name, text) in enumerate(named)]
        images = await _all(loads)
        checked = await self._named("mask", self._mask(mask, images, saved)) if mask is not None else None
        parts = [*images, *([checked] if checked else [])]
        return Inputs(tuple(images), checked, tuple(warning for part in parts for warning in part.warnings))

    async def measure(self, references: Sequence[str], saved: Saved) -> tuple[InputImage, ...]:
        """The images without their data, by their headers alone and without network: those that are far away have no
        size. Raises and names as `load` does, but for pixels that are damaged, which only decoding shows."""
        limit = asyncio.Semaphore(_AT_ONCE)
        first = {text: at for at, text in reversed(list(enumerate(references)))}
        loads = [self._named(f"images[{at}]", self._measured(text, saved, limit)) for text, at in first.items()]
        measured = dict(zip(first, await _all(loads), strict=True))
        return tuple(measured[text] for text in references)

    async def _measured(self, text: str, saved: Saved, limit: asyncio.Semaphore) -> InputImage:
        async with limit:
            reference = parse(text)
            if not reference.is_near:
                return InputImage(None, reference.value, None, None, None)
            data = await self._bytes(reference, saved)
            found = await asyncio.to_thread(header, data, max_pixels=self.max_pixels)
            return InputImage(None, reference.value, found.mime_type, found.width, found.height)

    async def markup(self, text: str, below: InputImage | None, saved: Saved) -> InputImage:
        """The checked picture that lies on the first image, or on one that is not known yet. Raises as `load` does;
        errors begin with `markup: …`."""
        return await self._named("markup", self._markup(text, below, saved))

    async def _named(self, argument: str, load: Awaitable[InputImage]) -> InputImage:
        try:
            return await load
        except ImagegenError as error:
            error.sentence = f"{argument}: {error.sentence}"
            raise

    async def _image(self, text: str, argument: str, at: int, saved: Saved, limit: asyncio.Semaphore) -> InputImage:
        async with limit:
            reference = parse(text)
            if reference.kind == "file_id":
                return _known_to_the_api(reference)
            data = await self._bytes(reference, saved)
            image_id = reference.value if reference.kind == "image_id" else None
            return await asyncio.to_thread(self._checked, data, argument, at, image_id)

    async def _bytes(self, reference: Reference, saved: Saved) -> bytes:
        match reference.kind:
            case "image_id":
                return (await saved(reference.value))[0]
            case "https":
                return await fetch(reference.value, max_bytes=IMAGE_BYTES, allowed_hosts=self.fetch_hosts)
            case "data":
                return await asyncio.to_thread(data_url.decode, reference.value, max_bytes=IMAGE_BYTES)
            case _:
                return await asyncio.to_thread(self._file, reference.value)

    def state(self, text: str) -> tuple[str, int, int] | None:
        """What is known of a file without reading it: where it lies, its size in bytes, and when it was last changed,
        in nanoseconds. None for a reference to anything else, and for a file that cannot be had. To be called in a
        thread."""
        try:
            reference = parse(text)
            if reference.kind != "path" or self.roots is None:
                return None
            path = self.roots.allowed_to_read(reference.value)
            status = path.stat()
        except (ImagegenError, OSError):
            return None
        return str(path), status.st_size, status.st_mtime_ns

    def _file(self, path: str) -> bytes:
        if self.roots is None:
            raise PathNotAllowed(
                "paths name files of the server, which a client over HTTP does not see",
                "send the picture as a data: URL, or name an https:// URL, a file id or an image_id",
            )
        return read_file(path, self.roots, max_bytes=IMAGE_BYTES)

    def _checked(self, data: bytes, argument: str, at: int, image_id: str | None) -> InputImage:
        sent = sendable(data, max_pixels=self.max_pixels)
        return InputImage(
            sent.data,
            f"image-{at + 1}.{sent.mime_type.removeprefix('image/')}",
            sent.mime_type,
            sent.width,
            sent.height,
            image_id=image_id,
            turned=sent.turned,
            warnings=tuple(f"{argument}: {said}" for said in sent.done),
        )

    async def _mask(self, text: str, images: Sequence[InputImage], saved: Saved) -> InputImage:
        reference = parse(text)
        if reference.kind == "file_id":
            return _known_to_the_api(reference)
        data = await self._bytes(reference, saved)
        size = _size(images[0]) if images else None
        mask = await asyncio.to_thread(
            prepare_mask, data, image_size=size, max_pixels=self.max_pixels, turned=bool(images) and images[0].turned
        )
        return InputImage(mask.data, "mask.png", "image/png", mask.width, mask.height, warnings=mask.warnings)

    async def _markup(self, text: str, below: InputImage | None, saved: Saved) -> InputImage:
        image = await self._image(text, "markup", 0, saved, asyncio.Semaphore(1))
        size = _size(image)
        if image.data is None or image.mime_type is None or size is None:
            return image  # a file that only the API knows
        await asyncio.to_thread(
            check_markup,
            image.data,
            image.mime_type,
            size,
            image_size=_size(below) if below else None,
            max_pixels=self.max_pixels,
        )
        return replace(image, name="markup.png")


async def _all(loads: Sequence[Awaitable[InputImage]]) -> list[InputImage]:
    """Wait for all of them, so that none is left running, then raise the first failure in order."""
    results = await asyncio.gather(*loads, return_exceptions=True)
    images: list[InputImage] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        images.append(result)
    return images


def _known_to_the_api(reference: Reference) -> InputImage:
    return InputImage(None, reference.value, None, None, None, file_id=reference.value)


def _size(image: InputImage) -> tuple[int, int] | None:
    return (image.width, image.height) if image.width and image.height else None
