"""The course that the three paid tools share: price, send, wait with progress, answer or hand over."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult

from .. import errors
from ..errors import ImagegenError
from ..operations import PaidOperation
from . import results
from .answers import CostAnswer, ErrorAnswer, ImageAnswer, PaidAnswer, UsageAnswer
from .tool import Backend

if TYPE_CHECKING:
    from ..jobs import Job
    from ..services import Services
    from ..threads.values import StoredImage, Turn

COLLECT = "still rendering; collect it with get_image_thread(thread_id, wait=true), do not call again"


async def paid(operation: PaidOperation, context: Context[Any, Any], backend: Backend) -> CallToolResult:
    """Make the call; raises ImagegenError when it is refused or fails."""
    services = await backend.services()
    quote = await services.quoting.quote(operation, backend.caller(context))
    job = await services.spending.start(quote)
    await follow(job, context, give_up_s=backend.settings.max_wait_s)
    turn = await services.looking.turn(*job.key)
    if turn.error is not None:
        raise failure(turn)
    if turn.status == "in_progress":
        turn = replace(turn, warnings=quote.warnings)  # recorded only when it is closed
    return await shown(turn, services, backend)


async def follow(job: "Job", context: Context[Any, Any], *, give_up_s: float) -> bool:
    """Wait for a running call, passing on what it says as progress; False when it is handed over."""
    last = -1.0

    async def report(seconds: float, message: str) -> None:
        nonlocal last
        last = max(seconds, last + 0.001)  # the protocol wants progress to increase strictly
        await context.report_progress(round(last, 3), None, message)

    return await job.follow(report, give_up_s=give_up_s)


async def shown(turn: "Turn", services: "Services", backend: Backend) -> CallToolResult:
    """The result of a paid call: its facts, previews, and links to the originals."""
    finals = turn.finals
    previews = await services.looking.previews(finals) if backend.settings.preview else []
    return results.answered(
        answer(turn, services, backend),
        structured=backend.settings.structured_output,
        headline=results.SANDBOX if turn.provider == "sandbox" else "",
        previews=previews,
        originals=finals,
    )


def answer(turn: "Turn", services: "Services", backend: Backend) -> PaidAnswer:
    """A turn in the form of a paid call's answer."""
    resolved = turn.resolved or {}
    finals = turn.finals
    size = f"{finals[0].width}x{finals[0].height}" if finals else None
    elapsed = (turn.finished_at - turn.created_at).total_seconds() if turn.finished_at else None
    return PaidAnswer(
        status=turn.status,
        thread_id=turn.thread_id,
        turn=turn.number,
        images=[image_answer(image, services, backend) for image in finals],
        text=turn.text,
        model=turn.model,
        size=resolved.get("size") or size or turn.options.get("size"),
        quality=resolved.get("quality") or turn.options.get("quality"),
        background=resolved.get("background") or turn.options.get("background"),
        output_format=resolved.get("output_format") or turn.options.get("output_format"),
        usage=UsageAnswer.model_validate(turn.usage) if turn.usage else None,
        cost=cost_answer(turn),
        provider=turn.provider,
        request_id=turn.request_id,
        elapsed_s=None if elapsed is None else round(elapsed, 1),
        error=error_answer(turn),
        warnings=warnings(turn),
    )


def warnings(turn: "Turn") -> list[str]:
    said = [results.SANDBOX] if turn.provider == "sandbox" else []
    return [*said, *([COLLECT] if turn.status == "in_progress" else []), *turn.warnings]


def image_answer(image: "StoredImage", services: "Services", backend: Backend) -> ImageAnswer:
    return ImageAnswer(
        image_id=image.image_id,
        uri=results.image_uri(image.image_id),
        path=services.looking.path(image) if backend.local else None,
        mime_type=image.mime_type,
        width=image.width,
        height=image.height,
        bytes=image.bytes,
        sha256=image.sha256,
        call_id=image.call_id,
        revised_prompt=image.revised_prompt,
    )


def cost_answer(turn: "Turn") -> CostAnswer:
    return CostAnswer(
        usd=results.usd(turn.cost_nano),
        basis=turn.cost_basis,
        estimate_usd=results.usd(turn.estimate_nano),
        prices_as_of=turn.prices_as_of.isoformat() if turn.prices_as_of else None,
    )


def error_answer(turn: "Turn") -> ErrorAnswer | None:
    return ErrorAnswer.model_validate(turn.error) if turn.error else None


def failure(turn: "Turn") -> ImagegenError:
    """The recorded error of a turn, to be raised again."""
    assert turn.error is not None
    kinds = {kind.code: kind for kind in every_kind(errors.ImagegenError)}
    kind = kinds.get(turn.error["code"], errors.InternalError)
    return kind(
        turn.error["sentence"],
        turn.error["fix"],
        request_id=turn.error["request_id"],
        may_be_billed=turn.error["may_be_billed"],
    )


def every_kind(family: type[ImagegenError]) -> list[type[ImagegenError]]:
    return [family, *(kind for child in family.__subclasses__() for kind in every_kind(child))]
