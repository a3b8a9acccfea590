"""The course that the three paid tools share: price, send, wait with progress, answer or hand over."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult

from .. import errors
from ..errors import ImagegenError
from ..operations import PaidOperation
from . import results
from .answers import CostAnswer, ErrorAnswer, ImageAnswer, PaidAnswer, UsageAnswer
from .confirming import confirm, same_price
from .progress import Patience, patience
from .sending import noted, when_sent
from .tool import Backend

if TYPE_CHECKING:
    from ..pipeline.values import Quote
    from ..services import Services
    from ..threads.values import StoredImage, Turn

JOINED = (
    "the same call was already running, and its caller went away before it was answered: this one waits for it, and "
    "nothing more is paid"
)
REUSED = (
    "this is what the same call made earlier, whose caller went away before it was answered; nothing more was paid. "
    "Call again for another image"
)
PIXELS = re.compile(r"\d+x\d+")  # a size to be held to, unlike auto and the names of other servers
OPAQUE = ("jpeg",)  # formats without transparent pixels
Where = Callable[["StoredImage"], str]
COLLECT = "still rendering; collect it with get_image_thread(thread_id, wait=true), do not call again"


async def paid(operation: PaidOperation, context: Context[Any, Any], backend: Backend) -> CallToolResult:
    """Make the call, or join the same call that was left alone; raises ImagegenError when it is refused or fails."""
    async with patience(context, backend.settings.max_wait_s) as waiting:
        services = await backend.services()
        caller, warned = backend.caller(context), tuple[str, ...]()
        named = await services.callers.named(operation)
        key = await services.callers.join(operation, named, caller, patience_s=waiting.left_s)
        reused = key is not None
        if key is None:
            quote = await agreed(operation, context, backend, waiting)
            warned, key = quote.warnings, await services.callers.begin(quote, named)
        given, lost = partial(services.callers.delivered, key), partial(services.callers.left, key)
        try:
            await services.callers.wait(key, waiting.tell, give_up_s=waiting.left_s)
            turn = await services.looking.turn(*key)
            if turn.error is not None:
                await when_sent(context, given, lost)
                raise failure(turn)
            if turn.status == "in_progress":
                turn = replace(turn, warnings=warned)  # recorded only when it is closed
                await noted(services.callers.handed_over(key))
            limits = services.quoting.limits
            left = await limits.left(owner=caller.owner, provider=turn.provider, thread_id=turn.thread_id)
            result = await shown(turn, services, backend, Standing(reused, left))
            if turn.status != "in_progress":
                await when_sent(context, given, lost)
            return result
        except asyncio.CancelledError:
            lost()
            raise


async def agreed(operation: PaidOperation, context: Context[Any, Any], backend: Backend, waiting: Patience) -> "Quote":
    """The call with its price, to which nobody objects."""
    services, caller = await backend.services(), backend.caller(context)
    quote = await services.quoting.quote(operation, caller)
    while True:
        with waiting.of_the_user():
            asked = await confirm(quote, context, backend)
        if not asked:
            return quote
        answered, quote = quote, await services.quoting.quote(operation, caller)
        if same_price(answered, quote):
            return quote


@dataclass(frozen=True)
class Standing:
    """What a call's answer says beside its turn."""

    reused: bool = False
    left_nano: int | None = None  # of the budgets, in 10^-9 USD


async def shown(turn: "Turn", services: "Services", backend: Backend, standing: Standing) -> CallToolResult:
    """The result of a paid call: its facts, previews, and links to the originals."""
    finals = turn.finals
    previews = await services.looking.previews(finals) if backend.settings.preview else []
    told = answer(turn, services, backend, standing)
    told.warnings += await services.looking.gone(finals)
    return results.answered(
        told,
        structured=backend.settings.structured_output,
        headline=results.SANDBOX if turn.provider == "sandbox" else "",
        previews=previews,
        originals=finals,
    )


def answer(turn: "Turn", services: "Services", backend: Backend, standing: Standing = Standing()) -> PaidAnswer:
    """A turn in the form of a paid call's answer. What the pictures themselves show goes before what the provider says
    of them, and that before what was asked for."""
    finals = turn.finals
    options = {**turn.options, **(turn.resolved or {}), **(_seen_on(finals[0]) if finals else {})}
    if options.get("background") == "transparent" and options.get("output_format") in OPAQUE:
        del options["background"]
    elapsed = (turn.finished_at - turn.created_at).total_seconds() if turn.finished_at else None
    return PaidAnswer(
        status=turn.status,
        thread_id=turn.thread_id,
        turn=turn.number,
        images=[image_answer(image, where_of(services, backend)) for image in finals],
        text=turn.text,
        model=turn.model,
        size=options.get("size"),
        quality=options.get("quality"),
        background=options.get("background"),
        output_format=options.get("output_format"),
        usage=UsageAnswer.model_validate(turn.usage) if turn.usage else None,
        cost=cost_answer(turn, standing.left_nano),
        provider=turn.provider,
        request_id=turn.request_id,
        elapsed_s=None if elapsed is None else round(elapsed, 1),
        reused=standing.reused,
        error=error_answer(turn),
        warnings=warnings(turn, reused=standing.reused),
    )


def warnings(turn: "Turn", *, reused: bool) -> list[str]:
    said = [results.SANDBOX] if turn.provider == "sandbox" else []
    if reused:
        said.append(JOINED if turn.status == "in_progress" else REUSED)
    if turn.status == "in_progress":
        said.append(COLLECT)
    return [*said, *_unlike_asked(turn), *turn.warnings]


def _unlike_asked(turn: "Turn") -> Iterator[str]:
    """What came otherwise than it was asked for; some servers leave out what they do not know."""
    seen = [_seen_on(image) for image in turn.finals]
    count, wanted = turn.options.get("n", 1), turn.options.get("output_format", "png")
    if turn.status == "completed" and len(seen) < count:
        yield f"{count} images were asked for and {len(seen)} came"
    for kind in sorted({one["output_format"] for one in seen if "output_format" in one} - {wanted}):
        yield f"{wanted} was asked for and {kind} came"
    size = turn.options.get("size", "auto")
    if PIXELS.fullmatch(size):
        for came in sorted({one["size"] for one in seen if "size" in one} - {size}):
            yield f"{size} was asked for and {came} came"


def _seen_on(image: "StoredImage") -> dict[str, str]:
    """The options that a picture itself shows, by the API's names: its format, and the size of one that has pixels."""
    kind, _, name = image.mime_type.partition("/")
    seen = {"output_format": name.removesuffix("+xml")} if kind == "image" else {}
    return {**seen, "size": f"{image.width}x{image.height}"} if image.width and name != "svg+xml" else seen


def where_of(services: "Services", backend: Backend) -> Where | None:
    """Where pictures lie, for clients on the same disk."""
    return services.looking.path if backend.local else None


def image_answer(image: "StoredImage", where: Where | None) -> ImageAnswer:
    return ImageAnswer(
        image_id=image.image_id,
        uri=results.image_uri(image.image_id),
        path=where(image) if where else None,
        mime_type=image.mime_type,
        width=image.width,
        height=image.height,
        bytes=image.bytes,
        sha256=image.sha256,
        call_id=image.call_id,
        revised_prompt=image.revised_prompt,
        action=image.action,
    )


def cost_answer(turn: "Turn", left_nano: int | None) -> CostAnswer:
    return CostAnswer(
        usd=results.usd(turn.cost_nano),
        basis=turn.cost_basis,
        estimate_usd=results.usd(turn.estimate_nano),
        prices_as_of=turn.prices_as_of.isoformat() if turn.prices_as_of else None,
        budget_left_usd=results.usd(left_nano),
    )


def error_answer(turn: "Turn") -> ErrorAnswer | None:
    return ErrorAnswer.model_validate(turn.error) if turn.error else None


def failure(turn: "Turn") -> ImagegenError:
    """The recorded error of a turn, to be raised again."""
    assert turn.error is not None
    kinds = {kind.code: kind for kind in reversed(every_kind(errors.ImagegenError))}  # a code's own class counts
    kind = kinds.get(turn.error["code"], errors.InternalError)
    error = kind(
        turn.error["sentence"],
        turn.error["fix"],
        request_id=turn.error["request_id"],
        may_be_billed=turn.error["may_be_billed"],
    )
    error.warnings = turn.warnings
    return error


def every_kind(family: type[ImagegenError]) -> list[type[ImagegenError]]:
    return [family, *(kind for child in family.__subclasses__() for kind in every_kind(child))]
