"""Prepare a call and price it: everything that can refuse it before anything is spent or written."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal

from ..catalog.check import Checked, check
from ..catalog.hosts import check_host
from ..catalog.inputs import check_inputs
from ..catalog.models import Catalog
from ..database.engine import Database
from ..errors import InvalidArgument
from ..inputs.destination import Destination, check_destination
from ..ledger.budgets import Payer
from ..openai_api.values import ResponsesCall
from ..operations import Caller, ContinueImageThread, EstimateCost, PaidOperation
from ..pricing.estimate import estimate
from ..pricing.table import Prices, day_of
from ..pricing.values import Estimate, Rates, Work
from ..settings import Settings
from ..threads import store as threads
from ..threads.values import Thread
from .account import account_of
from .availability import Availability
from .calls import call_of, picture
from .continuing import Parent, Way, model_of, way_of
from .gathering import Dimensions, Gathering, shown
from .limits import Limits
from .values import Kind, Priced, Quote, kind_of
from .work import calibrated, history_of, host_of, in_conversation, work_of

Used = tuple[dict[str, int], ...]  # token counts of the host model by kind, one for each earlier call


@dataclass(frozen=True)
class Quoting:
    """Prepares calls; touches the disk and the database for reading, and the network only to fetch https inputs."""

    settings: Settings
    catalog: Catalog
    prices: Prices
    availability: Availability
    database: Database
    gathering: Gathering
    now: Callable[[], datetime]
    keep_nothing: set[str] = field(default_factory=set)  # providers that said so of this account
    provider: Literal["openai", "azure", "compatible", "sandbox"] = field(init=False)
    account: str = field(init=False)
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", Limits(self.settings, self.database, self.now))
        object.__setattr__(self, "provider", self.settings.resolved_provider)
        object.__setattr__(self, "account", account_of(self.settings))

    async def quote(self, operation: PaidOperation, caller: Caller) -> Quote:
        """Load and check the inputs, check the request against the model, price it, hold the limits."""
        thread, parent, used = await self._known(operation, caller)
        named = operation.model or model_of(thread, parent, self.settings)
        model = self.settings.model_behind(named)
        kind = kind_of(operation)
        checked = self._checked(operation, model, kind)
        destination = await asyncio.to_thread(self._destination, operation)
        way = self._way(operation, parent)
        inputs = await self.gathering.load(operation, parent, way, caller)
        if inputs.mask is not None and not inputs.images:
            raise InvalidArgument("a mask needs an image to lie on", "name the image in images")
        markup = await self.gathering.markup(
            checked.options.get("markup"), inputs.images[0] if inputs.images else None, caller
        )
        advice = check_inputs(checked.model, inputs.images, inputs.mask)
        work = self._work(operation, model, shown(operation, inputs, parent, way), used, parent)
        today, price = self._today, self.priced_today(work)
        await self._hold_limits(price, work, operation, caller)
        return Quote(
            kind=kind,
            operation=operation,
            caller=caller,
            call=call_of(
                operation,
                model=named,
                api=self.api_of(kind),
                options=checked.options,
                inputs=inputs,
                markup=markup,
                way=way,
                provider=self.provider,
                settings=self.settings,
            ),
            work=work,
            estimate=price,
            priced_on=today,
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
        dimensions, warnings = await self.gathering.measured(operation, kind, parent, caller)
        price = self.priced_today(self._work(operation, model, dimensions, used, parent))
        return Priced(
            kind, model, operation.size, operation.quality, operation.n, price,
            (*checked.warnings, *warnings, *price.warnings, *_range(price), *_cached(price)),
        )  # fmt: skip

    def models(self) -> Catalog:
        """The catalog as of now, with what the provider says of its models."""
        return self.availability.refined(self.catalog, self._today)

    @property
    def _today(self) -> date:
        return day_of(self.now())

    async def _known(
        self, operation: PaidOperation | EstimateCost, caller: Caller
    ) -> tuple[Thread | None, Parent | None, Used]:
        """The thread that is continued, its image to go on from, and what the host model used in the caller's earlier
        calls: one look at the database, and none where it has nothing to say."""
        kind = kind_of(operation)
        thread_id = getattr(operation, "thread_id", None) if kind == "continue" else None
        host = host_of(self.api_of(kind), self.settings)
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
        answered, conversation = (threads.in_view(thread, image, whole=whole) for whole in (False, True))
        return Parent(image, turn, warnings, threads.texts_after(thread, image), answered, conversation)

    def api_of(self, kind: Kind) -> Literal["image", "responses"]:
        """Continuations need the Responses API; single calls go there only where the settings want it."""
        return "responses" if kind == "continue" else self.settings.api

    def _checked(self, operation: PaidOperation | EstimateCost, model: str, kind: Kind) -> Checked:
        api, today, catalog = self.api_of(kind), self._today, self.models()
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

    def priced_today(self, work: Work) -> Estimate:
        """The price of a request that is sent today."""
        offered = self.settings.offered_models
        return estimate(work, self._today, prices=self.prices, catalog=self.models(), offered=offered)

    async def brought_up_to_date(self, quote: Quote) -> Quote:
        """The quote at the prices of today, where midnight has passed since it was made. Raises NotSpent where a limit
        does not allow them, or nobody agreed to them."""
        if quote.priced_on == self._today:
            return quote
        price, operation = self.priced_today(quote.work), quote.operation
        payer = Payer(quote.caller.owner, self.provider, quote.thread_id)
        most, n = operation.max_cost_usd, quote.work.n
        await self.limits.hold_anew(price, quote.estimate, payer, max_cost_usd=most, n=n)
        return replace(quote, estimate=price, priced_on=self._today)

    async def _hold_limits(self, price: Estimate, work: Work, operation: PaidOperation, caller: Caller) -> None:
        """Refuse early what there is no room for; budgets are held for good where the price is reserved."""
        payer = Payer(caller.owner, self.provider, getattr(operation, "thread_id", None))
        await self.limits.hold_alone(price, payer, max_cost_usd=operation.max_cost_usd, n=work.n)
        if self.limits.budgets:
            async with self.database.reading() as connection:
                await self.limits.hold(connection, price, payer)

    def _destination(self, operation: PaidOperation) -> Destination | None:
        if operation.save_to is None:
            return None
        count = 1 if isinstance(operation, ContinueImageThread) else operation.n
        return check_destination(operation.save_to, self.gathering.loader.roots, operation.output_format, count)

    def _way(self, operation: PaidOperation, parent: Parent | None) -> Way:
        if parent is None or not isinstance(operation, ContinueImageThread):
            return Way()
        keeps = self.keeps(parent)
        return way_of(operation, parent, provider=self.provider, store=self.settings.store, keeps=keeps)

    def keeps(self, parent: Parent | None) -> bool:
        """Whether the provider keeps what it makes, by what it said to this process or earlier in the thread to one
        with the same account. Another account may be another matter."""
        if self.provider in self.keep_nothing:
            return False
        turn = parent.turn if parent else None
        return turn is None or not turn.never_kept or (turn.provider, turn.account) != (self.provider, self.account)

    def _work(
        self,
        operation: PaidOperation | EstimateCost,
        model: str,
        dimensions: Dimensions,
        used: Used,
        parent: Parent | None,
    ) -> Work:
        known, api = self.catalog.find(model), self.api_of(kind_of(operation))
        sizes = known.sizes if known else None
        work = work_of(operation, model, dimensions, api, self.settings, sizes=sizes)
        return calibrated(in_conversation(work, parent) if parent else work, used)

    async def with_saved_image(self, quote: Quote) -> tuple[ResponsesCall, tuple[str, ...]]:
        """The same continuation with the parent's saved bytes in place of ids that the API no longer knows, and what
        the caller should be told. Raises InputRejected for a picture that cannot be sent."""
        assert isinstance(quote.call, ResponsesCall)
        assert quote.parent is not None
        by_id = quote.call.call_id or quote.call.previous_response_id
        call = replace(quote.call, call_id=None, previous_response_id=None, exchanges=quote.parent.exchanges)
        if not by_id or call.mask is not None or quote.parent.image is None:
            return call, ()  # the bytes already go along, or there are none
        sent = await self.gathering.with_parent(quote.parent.image, (), None, quote.caller)
        return replace(call, images=(picture(sent.images[0]), *call.images)), sent.warnings


def _cached(price: Estimate) -> tuple[str, ...]:
    """What the lowest price of an edit leaves out; that of a continuation has no image that must be looked at."""
    row = price.rows[0] if price.rows and price.host is None else None
    shown = any(line.what == "image_input" for line in price.lines)
    if not shown or not isinstance(row, Rates) or row.cached_image >= row.image_input:
        return ()
    return ("an image that the API still has in its cache costs less than it counts for in the lowest price",)


def _range(price: Estimate) -> tuple[str, ...]:
    return (f"the price is a range: {'; '.join(price.left_open)}",) if price.left_open else ()
