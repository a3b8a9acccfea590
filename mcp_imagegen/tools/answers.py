"""The shapes of structured results: what a program can rely on in `structuredContent`.

Absent means unknown or not applicable; no field is ever null, and none holds base64. Amounts are USD as JSON numbers,
sizes are WIDTHxHEIGHT in pixels, times are UTC in ISO 8601.
"""

from typing import Any, Literal

from pydantic import BaseModel

TurnStatus = Literal["completed", "in_progress", "text_only", "failed", "cancelled", "lost"]


class ImageAnswer(BaseModel):
    image_id: str
    uri: str
    path: str | None = None
    mime_type: str
    width: int
    height: int
    bytes: int
    sha256: str
    call_id: str | None = None
    revised_prompt: str | None = None
    action: str | None = None


class TokenCounts(BaseModel):
    """Tokens by kind, without the kinds that were not used; cached ones are part of the input, `other_` ones of a
    total whose parts leave them out."""

    text_input: int | None = None
    image_input: int | None = None
    cached_text: int | None = None
    cached_image: int | None = None
    text_output: int | None = None
    image_output: int | None = None
    cache_write: int | None = None
    other_input: int | None = None
    other_output: int | None = None


class SvgCounts(TokenCounts):
    model: str | None = None


class UsageAnswer(BaseModel):
    image_model: TokenCounts | None = None
    host_model: TokenCounts | None = None
    svg_model: SvgCounts | None = None


class CostAnswer(BaseModel):
    usd: float | None = None
    basis: Literal["billed", "estimated"] | None = None
    estimate_usd: float | None = None
    prices_as_of: str | None = None
    budget_left_usd: float | None = None


class ErrorAnswer(BaseModel):
    code: str
    sentence: str
    fix: str
    request_id: str | None = None
    may_be_billed: bool = False


class PaidAnswer(BaseModel):
    """What generate_image, edit_image and continue_image_thread answer."""

    status: TurnStatus
    thread_id: str
    turn: int
    images: list[ImageAnswer] = []
    text: str | None = None
    model: str
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    usage: UsageAnswer | None = None
    cost: CostAnswer | None = None
    provider: str
    request_id: str | None = None
    elapsed_s: float | None = None
    reused: bool = False
    error: ErrorAnswer | None = None
    warnings: list[str] = []


class LineAnswer(BaseModel):
    what: str
    tokens: int | None = None
    usd_per_million: float | None = None
    usd: float


class AlternativeAnswer(BaseModel):
    change: str
    expected_usd: float
    ratio: float | None = None


class EstimateAnswer(BaseModel):
    """What estimate_cost answers; amounts are per call, absent where no price is known."""

    operation: Literal["generate", "edit", "continue"]
    model: str
    size: str
    quality: str
    n: int
    lines: list[LineAnswer] = []
    low_usd: float | None = None
    expected_usd: float | None = None
    high_usd: float | None = None
    exact: bool
    basis: Literal["published", "assumed", "retired", "own", "unknown"]
    prices_as_of: str | None = None
    valid_from: str | None = None
    alternatives: list[AlternativeAnswer] = []
    budget_left_usd: float | None = None
    warnings: list[str] = []


class TurnAnswer(BaseModel):
    turn: int
    parent_turn: int | None = None
    from_image: str | None = None
    kind: Literal["generate", "edit", "continue"]
    prompt: str
    status: TurnStatus
    images: list[ImageAnswer] = []
    text: str | None = None
    cost_usd: float | None = None
    response_id: str | None = None
    error: ErrorAnswer | None = None


class ThreadAnswer(BaseModel):
    thread_id: str
    title: str
    owner: str
    label: str | None = None
    created_at: str
    updated_at: str
    cost_usd: float
    provider: str
    turn_count: int  # of which `turns` may be some
    turns: list[TurnAnswer]


class ThreadRow(BaseModel):
    thread_id: str
    title: str
    created_at: str
    updated_at: str
    turns: int
    images: int
    cost_usd: float
    provider: str
    label: str | None = None


class ThreadsAnswer(BaseModel):
    """What get_image_thread answers: one thread, or the caller's recent ones."""

    thread: ThreadAnswer | None = None
    threads: list[ThreadRow] | None = None
    result: PaidAnswer | None = None
    warnings: list[str] = []


def facts(answer: BaseModel) -> dict[str, Any]:
    """The answer as JSON values, without what is not known."""
    return answer.model_dump(mode="json", exclude_none=True)
