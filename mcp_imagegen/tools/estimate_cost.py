"""estimate_cost: what a call would cost, before making it."""

from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult

from ..operations import EstimateCost
from . import results
from .answers import AlternativeAnswer, EstimateAnswer, LineAnswer
from .tool import READS, Backend, Tool

if TYPE_CHECKING:
    from ..pipeline.values import Priced

TOKENS_PER_PRICE = 1_000_000  # prices are published per million tokens


async def estimate_cost(operation: EstimateCost, context: Context[Any, Any], backend: Backend) -> CallToolResult:
    """Price a call without network and without writes; raises ImagegenError where the call would be refused."""
    services = await backend.services()
    caller = backend.caller(context)
    priced = await services.quoting.price(operation, caller)
    sandbox = services.quoting.provider == "sandbox"
    left = await services.quoting.limits.left(
        owner=caller.owner, provider=services.quoting.provider, thread_id=operation.thread_id
    )
    return results.answered(
        _answer(priced, left, [results.SANDBOX] if sandbox else []),
        structured=backend.settings.structured_output,
        headline=results.SANDBOX if sandbox else "",
    )


def _answer(priced: "Priced", left_nano: int | None, first_warnings: list[str]) -> EstimateAnswer:
    price = priced.estimate
    since = price.rows[0].valid_from if price.rows else None  # of the image model's row
    return EstimateAnswer(
        operation=priced.kind,
        model=priced.model,
        size=priced.size,
        quality=priced.quality,
        n=priced.n,
        lines=[
            LineAnswer(
                what=line.what,
                tokens=line.tokens,
                usd_per_million=results.usd(line.nano_per_token * TOKENS_PER_PRICE) if line.nano_per_token else None,
                usd=results.usd(line.nano) or 0.0,
            )
            for line in price.lines
        ],
        low_usd=results.usd(price.low),
        expected_usd=results.usd(price.expected),
        high_usd=results.usd(price.high),
        exact=price.exact,
        basis=price.basis,
        prices_as_of=price.prices_as_of.isoformat() if price.prices_as_of else None,
        valid_from=since.isoformat() if since else None,
        alternatives=[
            AlternativeAnswer(
                change=other.change,
                expected_usd=results.usd(other.expected) or 0.0,
                ratio=None if other.ratio is None else round(other.ratio, 3),
            )
            for other in price.alternatives
        ],
        budget_left_usd=results.usd(left_nano),
        warnings=[*first_warnings, *priced.warnings],
    )


TOOL = Tool("estimate_cost", "Estimate cost", EstimateCost, EstimateAnswer, estimate_cost, READS)
