"""Prepare a call and price it: everything that can refuse it before anything is spent or written."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ..catalog.check import Checked, check
from ..catalog.hosts import check_host
from ..catalog.inputs import check_inputs
from ..catalog.models import Catalog
from ..database.engine import Database
from ..errors import ImageNotFound, InputRejected, InvalidArgument
from ..images.store import ImageStore
from ..inputs.destination import Destination, check_destination
from ..inputs.load import InputImage, InputLoader, Inputs
from ..inputs.reference import parse
from ..openai_api.values import ResponsesCall
from ..operations import Caller, ContinueImageThread, EstimateCost, GenerateImage, PaidOperation
from ..pricing.estimate import estimate
from ..pricing.table import Prices
from ..pricing.values import Estimate, Work
from ..settings import Settings
from ..threads import store as threads
from ..threads.values import StoredImage, Thread
from .availability import Availability
from .calls import call_of, picture
from .continuing import FILE_GONE, Parent, Way, model_of, way_of
from .limits import Limits
from .values import Kind, Priced, Quote, kind_of
from .work import as_edit, calibrated, history_of, host_of, work_of

Used = tuple[dict[str, int], ...]  # token counts of the host model by kind, one for each earlier call
SENDABLE = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
ASSUMED_SIZE = (1024, 1024)  # width x height of an input that an estimate names no dimensions for


@dataclass(frozen=True)
class Quoting:
    """Prepares calls; touches the disk and the database for reading, and the network only to fetch https inputs."""

    settings: Settings
    catalog: Catalog
    prices: Prices
    availability: Availability
    database: Database
    store: ImageStore
    loader: InputLoader
    now: Callable[[], datetime]
    provider: Literal["openai", "azure", "compatible", "sandbox"] = field(init=False)
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", Limits(self.settings, self.database, self.now))
        object.__setattr__(self, "provider", self.settings.resolved_provider)

    async def quote(self, operation: PaidOperation, caller: Caller) -> Quote:
        """Load and check the inputs, check the request against the model, price it, hold the limits."""
        thread, parent, used = await self._known(operation, caller)
        named = operation.model or model_of(thread, parent, self.settings)
        model = self.settings.model_behind(named)
        kind = kind_of(operation)
        checked = self._checked(operation, model, kind)
        destination = await asyncio.to_thread(self._destination, operation)
        way = self._way(operation, parent)
        inputs = await self._inputs(operation, parent, way, caller)
        if inputs.mask is not None and not inputs.images:
            raise InvalidArgument("a mask needs an image to lie on", "name the image in images")
        markup = await self._markup(checked.options.get("markup"), inputs.images[0] if inputs.images else None, caller)
        advice = check_inputs(checked.model, inputs.images, inputs.mask)
        work = self._work(operation, model, self._dimensions(inputs, parent), used)
        price = self._estimate(work)
        self.limits.hold_alone(operation, price)
        await self._hold_budgets(price, caller, thread)
        return Quote(
            kind=kind,
            operation=operation,
            caller=caller,
            call=call_of(
                operation,
                model=named,
                api=self._api(kind),
                options=checked.options,
                inputs=inputs,
                markup=markup,
                way=way,
                provider=self.provider,
                settings=self.settings,
            ),
            work=work,
            estimate=price,
            thread_id=thread.thread_id if thread else None,
            parent=parent,
            destination=destination,
            warnings=(
                *(parent.warnings if parent else ()),
                *way.warnings,
                *checked.warnings,
                *advice,
                *inputs.warnings,
                *(markup.warnings if markup else ()),
                *price.warnings,
            ),
        )

    async def price(self, operation: EstimateCost, caller: Caller) -> Priced:
        """Price a call without network and without writes; inputs are measured where that needs neither."""
        kind = operation.operation
        thread, parent, used = await self._known(operation, caller)
        model = self.settings.model_behind(operation.model or model_of(thread, parent, self.settings))
        checked = self._checked(operation, model, kind)
        dimensions, warnings = await self._measured(operation, kind, parent, caller)
        price = self._estimate(self._work(operation, model, dimensions, used))
        return Priced(
            kind, model, operation.size, operation.quality, operation.n, price,
            (*checked.warnings, *warnings, *price.warnings, *_range(price)),
        )  # fmt: skip

    def models(self) -> Catalog:
        """The catalog as of now, with what the provider says of its models."""
        return self.availability.refined(self.catalog, self.now().date())

    async def _known(
        self, operation: PaidOperation | EstimateCost, caller: Caller
    ) -> tuple[Thread | None, Parent | None, Used]:
        """The thread that is continued, its image to go on from, and what the host model used in the caller's earlier
        calls: one look at the database, and none where it has nothing to say."""
        kind = kind_of(operation)
        thread_id = getattr(operation, "thread_id", None) if kind == "continue" else None
        host = host_of(self._api(kind), self.settings)
        if thread_id is None and (host is None or not await self.database.exists()):
            return None, None, ()
        thread: Thread | None = None
        used: Used = ()
        async with self.database.reading() as connection:
            if thread_id is not None:
                thread = await threads.thread(connection, thread_id, caller.owner)
            if host is not None:
                used = await threads.host_usage(
                    connection,
                    owner=caller.owner,
                    provider=self.provider,
                    host_model=host,
                    history=history_of(operation),
                )
        return thread, self._parent(thread, operation) if thread else None, used

    def _parent(self, thread: Thread, operation: PaidOperation | EstimateCost) -> Parent:
        assert isinstance(operation, ContinueImageThread | EstimateCost)
        image, turn, warnings = threads.parent_for(thread, operation.from_image)
        texts = threads.texts_after(thread, image) if operation.from_image is None else ()
        return Parent(image, turn, warnings, texts)

    def _api(self, kind: Kind) -> Literal["image", "responses"]:
        """Continuations need the Responses API; single calls go there only where the settings want it."""
        return "responses" if kind == "continue" else self.settings.api

    def _checked(self, operation: PaidOperation | EstimateCost, model: str, kind: Kind) -> Checked:
        api, today, catalog = self._api(kind), self.now().date(), self.models()
        checked = check(
            operation,
            model=model,
            provider=self.provider,
            today=today,
            api=api,
            edits=kind != "generate",
            catalog=catalog,
        )
        host = host_of(api, self.settings)
        said = self.availability.warnings(model, host, catalog=catalog, today=today)
        if host is not None:
            named = self.availability.ends(host)
            said += check_host(host, named=named, provider=self.provider, today=today, catalog=catalog)
        return replace(checked, warnings=(*checked.warnings, *said))

    def _estimate(self, work: Work) -> Estimate:
        today, offered = self.now().date(), self.settings.offered_models
        return estimate(work, today, prices=self.prices, catalog=self.models(), offered=offered)

    def price_as_edit(self, quote: Quote) -> Estimate:
        """The price of a continuation that goes through the Image API, which has no host to be paid."""
        return self._estimate(as_edit(quote.work))

    async def _hold_budgets(self, price: Estimate, caller: Caller, thread: Thread | None) -> None:
        """Refuse early what there is no room for; it is held for good where the price is reserved."""
        if self.limits.budgets:
            thread_id = thread.thread_id if thread else None
            async with self.database.reading() as connection:
                await self.limits.hold(
                    connection, price, owner=caller.owner, provider=self.provider, thread_id=thread_id
                )

    def _destination(self, operation: PaidOperation) -> Destination | None:
        if operation.save_to is None:
            return None
        count = 1 if isinstance(operation, ContinueImageThread) else operation.n
        return check_destination(operation.save_to, self.loader.roots, operation.output_format, count)

    async def _inputs(self, operation: PaidOperation, parent: Parent | None, way: Way, caller: Caller) -> Inputs:
        """The images that travel with the call. A parent that the API knows by id stays there, unless a mask, which
        refers to its pixels, needs it to be sent."""
        if isinstance(operation, GenerateImage):
            return Inputs(images=(), mask=None, warnings=())
        if parent is not None and parent.image is not None and (operation.mask is not None or not way.by_id):
            return await self._saved_parent(parent.image, operation.images, operation.mask, caller)
        inputs = await self.loader.load(operation.images, operation.mask, lambda one: self.saved(one, caller))
        if parent is not None and parent.image is not None and await self.store.gone([parent.image.key]):
            return replace(inputs, warnings=(*inputs.warnings, FILE_GONE))
        return inputs

    async def _saved_parent(
        self, image: StoredImage, images: Sequence[str], mask: str | None, caller: Caller
    ) -> Inputs:
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

    async def _markup(self, named: object, below: InputImage | None, caller: Caller) -> InputImage | None:
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

    def _way(self, operation: PaidOperation, parent: Parent | None) -> Way:
        if parent is None or not isinstance(operation, ContinueImageThread):
            return Way()
        return way_of(operation, parent, provider=self.provider, store=self.settings.store)

    def _dimensions(self, inputs: Inputs, parent: Parent | None) -> tuple[tuple[int, int] | None, ...]:
        sent = [_dimensions(image) for image in inputs.images]
        before = parent.image if parent is not None else None
        if before is not None and not any(image.image_id == before.image_id for image in inputs.images):
            sent.insert(0, (before.width, before.height))
        return tuple(sent)

    def _work(
        self,
        operation: PaidOperation | EstimateCost,
        model: str,
        dimensions: tuple[tuple[int, int] | None, ...],
        used: Used,
    ) -> Work:
        return calibrated(work_of(operation, model, dimensions, self._api(kind_of(operation)), self.settings), used)

    async def with_saved_image(self, quote: Quote) -> tuple[ResponsesCall, tuple[str, ...]]:
        """The same continuation with the parent's saved bytes in place of ids that the API no longer knows, and what
        the caller should be told. Raises InputRejected for a picture that cannot be sent."""
        assert isinstance(quote.call, ResponsesCall)
        assert quote.parent is not None
        by_id = quote.call.call_id or quote.call.previous_response_id
        call = replace(quote.call, call_id=None, previous_response_id=None, exchanges=quote.parent.exchanges)
        if not by_id or call.mask is not None or quote.parent.image is None:
            return call, ()  # the bytes already go along, or there are none
        sent = await self._saved_parent(quote.parent.image, (), None, quote.caller)
        return replace(call, images=(picture(sent.images[0]), *call.images)), sent.warnings

    async def _measured(
        self, operation: EstimateCost, kind: Kind, parent: Parent | None, caller: Caller
    ) -> tuple[tuple[tuple[int, int] | None, ...], tuple[str, ...]]:
        """Width x height of the inputs of an estimate; what would need the network stays unknown."""
        if kind == "generate":
            return (), ()
        images = await self.loader.measure(operation.images, lambda image_id: self.saved(image_id, caller))
        sizes = [_dimensions(image) for image in images]
        markup = (operation.extra or {}).get("markup")
        if not isinstance(markup, str) or parse(markup).is_near:
            await self._markup(markup, images[0] if images else None, caller)
        if parent is not None and parent.image is not None:
            sizes.insert(0, (parent.image.width, parent.image.height))
        elif kind == "continue" or not sizes:
            sizes.insert(0, ASSUMED_SIZE)
            return tuple(sizes), (f"no image was named; one of {ASSUMED_SIZE[0]}x{ASSUMED_SIZE[1]} is assumed",)
        return tuple(sizes), ()


def _range(price: Estimate) -> tuple[str, ...]:
    return (f"the price is a range: {'; '.join(price.left_open)}",) if price.left_open else ()


def _dimensions(image: InputImage) -> tuple[int, int] | None:
    return (image.width, image.height) if image.width and image.height else None
