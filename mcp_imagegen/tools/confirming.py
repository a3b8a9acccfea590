"""Ask the user before a call that costs much, through the client: elicitation, in both protocol eras.

It is asked before anything is reserved, so that nothing is left of a call whose user never answers. In the modern era
the client repeats the call with the answer; it is quoted anew, and the answer counts once, for the same question of the
same caller. The SDK seals the question under a key of this process and lets it expire.
"""

import secrets
import time
from typing import TYPE_CHECKING, Any

from mcp import MCPError
from mcp.server.mcpserver import Context
from mcp.types import CONNECTION_CLOSED, ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from pydantic import BaseModel, Field, ValidationError

from ..errors import ConfirmationDeclined
from ..pricing.amounts import covering, from_usd, shown
from ..pricing.ways import to_a_known_price
from ..settings import Settings
from ..threads.values import one_line

if TYPE_CHECKING:
    from ..pipeline.values import Quote
    from .tool import Backend

MODERN = "2026-07-28"  # from this revision on a server asks by a result, not by a request of its own
ANSWER = "cost"  # what the answer is called among those that a repeated call brings
KEPT_S = 3600.0  # far longer than the SDK takes a sealed question back

# Why nobody can be asked, as it goes on after "…, and".
NO_FORM = "this client cannot ask its user"
NO_WAY_BACK = (
    "over HTTP the server cannot ask a client of a handshake revision (2025-11-25 and older): it keeps no session, so "
    "there is no way back to it"
)


class Confirm(BaseModel):
    """The form that the user sees."""

    proceed: bool = Field(description="Make this call and pay for it")


FORM = Confirm.model_json_schema()


class Answers:
    """Which questions were answered, so that an answer counts once. In memory: no other process can open what this one
    has sealed."""

    def __init__(self) -> None:
        self._used: dict[str, float] = {}  # when each number was used, in seconds of a clock that only goes forward

    def use(self, number: str) -> bool:
        """Whether the question with this number is answered for the first time."""
        now = time.monotonic()
        self._used = {one: at for one, at in self._used.items() if now - at < KEPT_S}
        if number in self._used:
            return False
        self._used[number] = now
        return True


class NeedsAnswer(Exception):
    """The call can go on when the client repeats it with the user's answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("the user has to be asked")
        self.result = result


class _CannotAsk(Exception):
    """Nobody can be asked; the text says why, as it goes on after "…, and"."""


async def confirm(quote: "Quote", context: Context[Any, Any], backend: "Backend") -> bool:
    """Returns when the call may be made: whether the user was asked meanwhile, so that the price has to be looked at
    again. Raises ConfirmationDeclined when the user says no or cannot be asked, and NeedsAnswer."""
    if not _wanted(quote, backend.settings):
        return False
    try:
        agreed = await _ask(quote, context, backend)
    except _CannotAsk as unable:
        if backend.settings.confirm == "when_possible":
            return False
        raise _not_asked(quote, str(unable), backend.settings) from None
    if not agreed:
        raise ConfirmationDeclined("the user declined to pay for this call", "ask the user what to do instead")
    return not _modern(context)


def _not_asked(quote: "Quote", unable: str, settings: Settings) -> ConfirmationDeclined:
    price, above = quote.estimate, "above MCP_IMAGEGEN_CONFIRM_ABOVE_USD"
    if price.high is None:
        ways = ", or ".join(to_a_known_price(price, None, settings.home, quote.priced_on))
        way = ways or "choose a model, format and options with a published price"
        return ConfirmationDeclined(f"{_price(quote)}, so that it may be {above}, and {unable}", way)
    way = f"ask the user yourself, then repeat the call with max_cost_usd={covering(price.high)}"
    return ConfirmationDeclined(f"{_price(quote)}, which is {above}, and {unable}", way)


def _wanted(quote: "Quote", settings: Settings) -> bool:
    """Whether the user is to be asked: the call could cost more than goes without saying, and nobody has agreed to that
    much."""
    if settings.confirm_above_usd is None:
        return False
    high, agreed = quote.estimate.high, quote.operation.max_cost_usd
    if high is None:
        return True
    return high > from_usd(settings.confirm_above_usd) and (agreed is None or high > from_usd(agreed))


def _question(quote: "Quote") -> str:
    """In one line, and without what would steer the dialog: the words in it are the caller's."""
    operation = quote.operation
    many = getattr(operation, "n", 1)
    what = f"{many} images" if many > 1 else "an image"
    doing = {"generate": f"Generate {what}", "edit": f"Edit to {what}", "continue": "Continue a thread with an image"}
    particulars = ", ".join(one_line(text, 80) for text in _particulars(quote))
    about = one_line(operation.prompt or "", 200)
    return f"{doing[quote.kind]} ({particulars})? {one_line(_price(quote), 400)}. Prompt: {about}"


def _particulars(quote: "Quote") -> list[str]:
    """What the price depends on, and what is worked on."""
    operation = quote.operation
    given = len(getattr(operation, "images", ()))
    said = {
        quote.call.model: True,
        f"size {operation.size}": True,
        f"quality {operation.quality}": True,
        operation.output_format: True,
        _counted(operation.partial_images, "partial image"): operation.partial_images,
        _counted(given, "input image"): given,
        "mask": getattr(operation, "mask", None),
        "with the whole conversation": getattr(operation, "history", None) == "full",
        f"thread {(quote.thread_id or '')[:12]}": quote.thread_id,
    }
    return [text for text, holds in said.items() if holds]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _price(quote: "Quote") -> str:
    price = quote.estimate
    if price.high is None:
        least = "" if price.expected is None else f"This costs about {shown(price.expected)} or more. "
        return f"{least}Nothing bounds what this could cost: {price.unbounded}"
    most, about = shown(price.high), shown(price.high if price.expected is None else price.expected)
    return f"This costs {most}" if most == about else f"This costs about {about}, at most {most}"


def same_price(one: "Quote", other: "Quote") -> bool:
    """Whether an answer to the question about one holds for the other."""
    return _sealed(one) == _sealed(other)


def _sealed(quote: "Quote") -> str:
    """What an answer counts for: the caller, the price with all its digits, and the question."""
    price = quote.estimate
    return f"{quote.caller.owner} {price.expected if price.high is None else price.high} {_question(quote)}"


def _modern(context: Context[Any, Any]) -> bool:
    return (context.protocol_version or "") >= MODERN


def _unable(context: Context[Any, Any]) -> str | None:
    """Why the user cannot be asked; None where that is possible."""
    if not _modern(context) and not context.session.can_send_request:
        return NO_WAY_BACK  # what such a client can do is not known either: it said so in another request
    able = context.client_capabilities.elicitation if context.client_capabilities else None
    return NO_FORM if able is None or (able.form is None and able.url is not None) else None


async def _ask(quote: "Quote", context: Context[Any, Any], backend: "Backend") -> bool:
    """Whether the user agrees. Raises NeedsAnswer, _CannotAsk, and MCPError where the client is gone."""
    unable = _unable(context)
    if unable is not None:
        raise _CannotAsk(unable)
    if _modern(context):
        return _answered(quote, context, backend.answers)
    try:
        answer = await context.session.elicit_form(_question(quote), FORM, context.request_id)
    except ValidationError:
        return False  # an answer of no form that there is
    except MCPError as error:
        if error.code == CONNECTION_CLOSED:
            raise
        told = " ".join(error.message.split())[:200]
        raise _CannotAsk(
            f"this client answered the question to its user with an error ({error.code}: {told})"
        ) from None
    return _yes(answer)


def _yes(answer: ElicitResult) -> bool:
    """Whether an answer is the one that was asked for; whatever else it holds agrees to nothing."""
    return answer.action == "accept" and (answer.content or {}).get("proceed") is True


def _answered(quote: "Quote", context: Context[Any, Any], answers: Answers) -> bool:
    """The answer that a repeated call brings. One to another question, or one that was used before, is none."""
    answer = (context.input_responses or {}).get(ANSWER)
    number, _, sealed = (context.request_state or "").partition(" ")
    if not isinstance(answer, ElicitResult) or sealed != _sealed(quote) or not answers.use(number):
        form = ElicitRequestFormParams(message=_question(quote), requested_schema=FORM)
        asked = {ANSWER: ElicitRequest(params=form)}
        state = f"{secrets.token_hex(16)} {_sealed(quote)}"
        raise NeedsAnswer(InputRequiredResult(input_requests=asked, request_state=state))
    return _yes(answer)
