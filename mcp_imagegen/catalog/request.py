"""A request as the rules see it: the same questions for every operation."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from ..operations import ContinueImageThread, EditImage, EstimateCost, GenerateImage
from .models import Model

Wanted = GenerateImage | EditImage | ContinueImageThread | EstimateCost
Provider = Literal["openai", "azure", "compatible", "sandbox"]
Api = Literal["image", "responses"]

IMAGE_API = "MCP_IMAGEGEN_API to image"
FULL_COMPRESSION = 100  # the API's default of output_compression


@dataclass(frozen=True)
class Request:
    """What is wanted of a known model, where, and on which day."""

    wanted: Wanted
    model: Model
    provider: Provider
    today: date
    api: Api
    edits: bool

    @property
    def prompt(self) -> str:
        return self.wanted.prompt or ""

    @property
    def n(self) -> int:
        return 1 if isinstance(self.wanted, ContinueImageThread) else self.wanted.n

    @property
    def continues(self) -> bool:
        return continues(self.wanted)

    @property
    def images(self) -> int:
        """How many images go along; in a continuation the image it starts from too, whatever way it is named."""
        if not self.edits or isinstance(self.wanted, GenerateImage):
            return 0
        return len(self.wanted.images) + self.continues

    @property
    def mask(self) -> bool:
        return not isinstance(self.wanted, GenerateImage) and self.wanted.mask is not None

    @property
    def input_fidelity(self) -> str | None:
        return None if isinstance(self.wanted, GenerateImage) or not self.edits else self.wanted.input_fidelity

    @property
    def compression(self) -> int | None:
        """The output_compression, unless it is the default and so changes nothing."""
        given = self.wanted.output_compression
        return None if given == FULL_COMPRESSION else given

    @property
    def extra(self) -> dict[str, Any]:
        """`extra` without names that are null, which means not given."""
        return {name: value for name, value in (self.wanted.extra or {}).items() if value is not None}


def continues(wanted: Wanted) -> bool:
    """Whether this is the next turn of a thread; the first one may go through the Responses API too."""
    return isinstance(wanted, ContinueImageThread) or (
        isinstance(wanted, EstimateCost) and wanted.operation == "continue"
    )


def or_by_the_image_api(fix: str, wanted: Wanted, api: Api) -> str:
    """A way out, with that of the setting which sends a call that is no continuation to the Responses API."""
    by_setting = api == "responses" and not continues(wanted)
    return f"{fix}, or set {IMAGE_API} so that the Image API is asked" if by_setting else fix


def counted(noun: str, count: int) -> str:
    """A count as a sentence has it: `no images`, `1 image`, `2 images`."""
    return f"{count or 'no'} {noun}" if count == 1 else f"{count or 'no'} {noun}s"


def listed(values: Iterable[str]) -> str:
    """Values as a sentence has them: `a, b or c`."""
    *first, last = values
    return f"{', '.join(first)} or {last}" if first else last
