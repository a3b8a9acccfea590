"""The pictures that go along with a call: loaded to be sent, or measured to be priced."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..database.engine import Database
from ..errors import ImageNotFound, InputRejected, InvalidArgument
from ..images.store import ImageStore
from ..inputs.load import InputImage, InputLoader, Inputs
from ..inputs.reference import parse
from ..operations import Caller, EstimateCost, GenerateImage, PaidOperation
from ..pricing.parts import EXPECTED_SIZE
from ..threads import store as threads
from ..threads.values import StoredImage
from .continuing import FILE_GONE, Parent, Way
from .values import Kind

SENDABLE = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
Dimensions = tuple[tuple[int, int] | None, ...]  # width x height in pixels of each image, None where not known


@dataclass(frozen=True)
class Gathering:
    """Reads the inputs of calls; touches the network only to fetch https inputs that are to be sent."""

    database: Database
    store: ImageStore
    loader: InputLoader

    async def load(self, operation: PaidOperation, parent: Parent | None, way: Way, caller: Caller) -> Inputs:
        """The images that travel with the call. A parent that the API knows by id stays there, unless a mask, which
        refers to its pixels, needs it to be sent."""
        if isinstance(operation, GenerateImage):
            return Inputs(images=(), mask=None, warnings=())
        if parent is not None and parent.image is not None and sends_parent(operation, way):
            return await self.with_parent(parent.image, operation.images, operation.mask, caller)
        inputs = await self.loader.load(operation.images, operation.mask, lambda one: self.saved(one, caller))
        if parent is not None and parent.image is not None and await self.store.gone([parent.image.key]):
            return replace(inputs, warnings=(*inputs.warnings, FILE_GONE))
        return inputs

    async def with_parent(self, image: StoredImage, images: Sequence[str], mask: str | None, caller: Caller) -> Inputs:
        """The inputs of a continuation with the saved image before the others."""
        if image.mime_type not in SENDABLE:
            raise InputRejected(
                f"the image {image.image_id} is {image.mime_type}, which cannot be sent as an input",
                "continue from another image of the thread with from_image, or make the image anew as png",
            )
        if await self.store.gone([image.key]):
            raise ImageNotFound(
                f"the file of {image.image_id} is gone from the image folder, so that it cannot be sent",
                "put the file back, or continue from another image of the thread with from_image",
            )
        saved = lambda image_id: self.saved(image_id, caller)  # noqa: E731 - of this caller
        return await self.loader.load(images, mask, saved, parent=image.image_id)

    async def markup(self, named: object, below: InputImage | None, caller: Caller) -> InputImage | None:
        """The picture that `markup` in `extra` names, by a reference as in `images`.

        Raises InvalidArgument, and what loading it raises.
        """
        if named is None:
            return None
        if not isinstance(named, str):
            raise InvalidArgument("markup names one picture that lies on the first of images", "give its path")
        return await self.loader.markup(named, below, lambda image_id: self.saved(image_id, caller))

    async def saved(self, image_id: str, caller: Caller) -> tuple[bytes, str]:
        """The bytes and type of an earlier image of the caller. Raises ImageNotFound."""
        async with self.database.reading() as connection:
            image = await threads.image(connection, image_id, caller.owner)
        return await self.store.load(image.key), image.mime_type

    async def measured(
        self, operation: EstimateCost, kind: Kind, parent: Parent | None, caller: Caller
    ) -> tuple[Dimensions, tuple[str, ...]]:
        """Width x height of the inputs of an estimate; what would need the network stays unknown."""
        if kind == "generate":
            return (), ()
        images = await self.loader.measure(operation.images, lambda image_id: self.saved(image_id, caller))
        sizes = [_dimensions(image) for image in images]
        markup = (operation.extra or {}).get("markup")
        if not isinstance(markup, str) or parse(markup).is_near:
            await self.markup(markup, images[0] if images else None, caller)
        if parent is not None and parent.image is not None:
            sizes.insert(0, (parent.image.width, parent.image.height))
        elif kind == "continue" or not sizes:
            sizes.insert(0, None)
            width, height = EXPECTED_SIZE
            return tuple(sizes), (f"no image was named; one of about {width}x{height} is assumed",)
        return tuple(sizes), ()


def shown(operation: PaidOperation, inputs: Inputs, parent: Parent | None, way: Way) -> Dimensions:
    """The images that the model is shown: those that are sent, after a parent that the API knows by id. That parent is
    shown beside the same image among the inputs, and paid for twice."""
    sent = [_dimensions(image) for image in inputs.images]
    if parent is not None and parent.image is not None and not sends_parent(operation, way):
        sent.insert(0, (parent.image.width, parent.image.height))
    return tuple(sent)


def sends_parent(operation: PaidOperation, way: Way) -> bool:
    """Whether the saved image that a continuation goes on from is sent itself: where no id names it, or a mask refers
    to its pixels."""
    return not way.by_id or (not isinstance(operation, GenerateImage) and operation.mask is not None)


def _dimensions(image: InputImage) -> tuple[int, int] | None:
    return (image.width, image.height) if image.width and image.height else None
