"""Ask the user before a call that costs much, through the client: elicitation, in both protocol eras.

It is asked before anything is reserved, so that nothing is left of a call whose user never answers. In the modern era
the client repeats the call with the answer; it is quoted anew, and the answer counts only for the same question.
"""

from typing import TYPE_CHECKING, Any

from mcp.server.elicitation import AcceptedElicitation
from mcp.server.mcpserver import Context
from mcp.types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from pydantic import BaseModel, Field

from ..errors import ConfirmationDeclined
from ..pricing.amounts import covering, from_usd, shown
from ..settings import Settings

if TYPE_CHECKING:
    from ..pipeline.values import Quote

MODERN = "2026-07-28"  # from this revision on a server asks by a result, not by a request of its own
ANSWER = "cost"  # what the answer is called among those that a repeated call brings


class Confirm(BaseModel):
    """The form that the user sees."""

    proceed: bool = Field(description="Make this call and pay for it")


class NeedsAnswer(Exception):
    """The call can go on when the client repeats it with the user's answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("the user has to be asked")
        self.result = result


async def confirm(quote: "Quote", context: Context[Any, Any], settings: Settings) -> bool:
    """Returns when the call may be made: whether the user was asked meanwhile, so that the price has to be looked at
    again. Raises ConfirmationDeclined when the user says no or cannot be asked, and NeedsAnswer."""
    if not _wanted(quote, settings):
        return False
    answer = await _ask(quote, context)
    if answer is None and settings.confirm == "when_possible":
        return False
    if answer is None:
        most = quote.estimate.high
        way = "choose a model and format with a published price"
        if most is not None:
            way = f"ask the user yourself, then repeat the call with max_cost_usd={covering(most)}"
        raise ConfirmationDeclined(
            f"{_price(quote)}, which is above MCP_IMAGEGEN_CONFIRM_ABOVE_USD, and this client cannot ask its user", way
        )
    if not answer:
        raise ConfirmationDeclined("the user declined to pay for this call", "ask the user what to do instead")
    return not _modern(context)


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
    call, operation = quote.call, quote.operation
    many = getattr(operation, "n", 1)
    what = f"{many} images" if many > 1 else "an image"
    doing = {"generate": f"Generate {what}", "edit": f"Edit to {what}", "continue": "Continue a thread with an image"}
    about = " ".join((operation.prompt or "").split())[:200]
    how = f"{call.model}, size {operation.size}, quality {operation.quality}"
    return f"{doing[quote.kind]} ({how})? {_price(quote)}. Prompt: {about}"


def _price(quote: "Quote") -> str:
    price = quote.estimate
    if price.high is None:
        return "Nothing bounds what this could cost"
    if price.expected is None or price.exact:
        return f"This costs {shown(price.high)}"
    return f"This costs about {shown(price.expected)}, at most {shown(price.high)}"


def same_price(one: "Quote", other: "Quote") -> bool:
    """Whether an answer to the question about one holds for the other."""
    return _sealed(one) == _sealed(other)


def _sealed(quote: "Quote") -> str:
    """What an answer counts for: the question, and the price with all its digits."""
    return f"{quote.estimate.high} {_question(quote)}"


def _modern(context: Context[Any, Any]) -> bool:
    return (context.protocol_version or "") >= MODERN


async def _ask(quote: "Quote", context: Context[Any, Any]) -> bool | None:
    """The user's answer; None where the client cannot ask. Raises NeedsAnswer."""
    able = context.client_capabilities.elicitation if context.client_capabilities else None
    if able is None or (able.form is None and able.url is not None):
        return None
    if _modern(context):
        return _answered(quote, context)
    if not context.session.can_send_request:  # over HTTP without sessions there is no way back to the client
        return None
    outcome = await context.elicit(_question(quote), Confirm)
    return isinstance(outcome, AcceptedElicitation) and outcome.data.proceed


def _answered(quote: "Quote", context: Context[Any, Any]) -> bool:
    """The answer that a repeated call brings; the SDK has sealed the question that it was given to."""
    answer = (context.input_responses or {}).get(ANSWER)
    if not isinstance(answer, ElicitResult) or context.request_state != _sealed(quote):
        form = ElicitRequestFormParams(message=_question(quote), requested_schema=Confirm.model_json_schema())
        asked = InputRequiredResult(input_requests={ANSWER: ElicitRequest(params=form)}, request_state=_sealed(quote))
        raise NeedsAnswer(asked)
    return answer.action == "accept" and (answer.content or {}).get("proceed") is True
