"""What the pipeline hands from one step to the next."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from ..inputs.destination import Destination
from ..openai_api.values import ImageCall, ResponsesCall
from ..operations import Caller, ContinueImageThread, EditImage, EstimateCost, GenerateImage, PaidOperation
from ..pricing.values import Estimate, Work
from .continuing import Parent

Kind = Literal["generate", "edit", "continue"]


@dataclass(frozen=True)
class Quote:
    """A call that is ready to be sent, and what it will cost by the prices of a day (UTC)."""

    kind: Kind
    operation: PaidOperation
    caller: Caller
    call: ImageCall | ResponsesCall
    work: Work
    estimate: Estimate
    priced_on: date
    thread_id: str | None = None
    parent: Parent | None = None
    destination: Destination | None = None
    warnings: tuple[str, ...] = ()

    @property
    def host_model(self) -> str | None:
        return self.call.host_model if isinstance(self.call, ResponsesCall) else None

    @property
    def api(self) -> Literal["image", "responses"]:
        return "responses" if isinstance(self.call, ResponsesCall) else "image"


@dataclass(frozen=True)
class Priced:
    """What estimate_cost found out."""

    kind: Kind
    model: str
    size: str
    quality: str
    n: int
    estimate: Estimate
    warnings: tuple[str, ...] = ()


def kind_of(operation: PaidOperation | EstimateCost) -> Kind:
    match operation:
        case GenerateImage():
            return "generate"
        case EditImage():
            return "edit"
        case ContinueImageThread():
            return "continue"
        case EstimateCost():
            return operation.operation
