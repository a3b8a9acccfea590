"""The models that the sandbox knows, with what OpenAI's documentation says about each (November 2026)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from .errors import no_host_model, no_such_model, refused, wrong_value

FIXED_SIZES = ("1024x1024", "1024x1536", "1536x1024")
THREE = ("low", "medium", "high")
FIVE = (*THREE, "xhigh", "max")
MULTIPLE = 16
LONGEST_EDGE = 3840
LEAST_PIXELS = 655_360
MOST_PIXELS = 8_294_400


@dataclass(frozen=True)
class ImageModel:
    """`grid` is the side of the token grid by quality; a model without one has fixed sizes and a fixed table of tokens.
    `fidelity` are the values of `input_fidelity` it takes; `ends` is the first day on which it is gone."""

    name: str
    added: date
    ends: date | None = None
    grid: tuple[int, ...] = ()
    fidelity: tuple[str, ...] = ()
    text_output: bool = False

    @property
    def free_size(self) -> bool:
        return bool(self.grid)

    @property
    def qualities(self) -> tuple[str, ...]:
        return FIVE if len(self.grid) == len(FIVE) else THREE

    @property
    def formats(self) -> tuple[str, ...]:
        return ("png", "webp", "jpeg", "gif", "svg") if self.free_size else ("png", "webp", "jpeg")

    def check_size(self, size: str, param: str) -> None:
        """Raises ApiError for a size (WIDTHxHEIGHT) that the model does not draw."""
        if not self.free_size:
            if size not in FIXED_SIZES:
                raise refused(param, wrong_value(param, size, (*FIXED_SIZES, "auto")).message)
            return
        if (reason := _size_fault(size)) is not None:
            raise refused(param, f"Invalid size '{size}'. {reason}")


def _size_fault(size: str) -> str | None:
    width, _, height = size.partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit() and len(size) <= 11):
        return "The size must be 'auto' or 'WIDTHxHEIGHT' in pixels."
    wide, high = int(width), int(height)
    rules = (
        (wide % MULTIPLE or high % MULTIPLE or not wide * high, "Width and height must both be divisible by 16."),
        (max(wide, high) > LONGEST_EDGE, f"The longest edge must be less than or equal to {LONGEST_EDGE}."),
        (max(wide, high) > 3 * min(wide, high), "The aspect ratio must be between 1:3 and 3:1."),
        (wide * high < LEAST_PIXELS, "Requested resolution is below the current minimum pixel budget."),
        (wide * high > MOST_PIXELS, "Requested resolution is above the current maximum pixel budget."),
    )
    return next((reason for broken, reason in rules if broken), None)


GRID_2 = (16, 48, 96)
GRID_25 = (16, 24, 48, 64, 96)
END_OF_1_5 = date(2026, 12, 1)

IMAGE_MODELS = {
    model.name: model
    for model in (
        ImageModel("gpt-image-2", date(2026, 4, 21), grid=GRID_2),
        ImageModel("gpt-image-2-2026-04-21", date(2026, 4, 21), grid=GRID_2),
        *(
            ImageModel(f"gpt-image-2.5-{name}{snapshot}", date(2026, 9, 8), grid=GRID_25)
            for name in ("sunburst", "flare")
            for snapshot in ("", "-2026-09-08")
        ),
        ImageModel("gpt-image-2.6-sunburst", date(2026, 11, 5), grid=GRID_25),
        ImageModel("gpt-image-2.6-flare", date(2026, 11, 5), grid=GRID_25),
        ImageModel("gpt-image-1.5", date(2025, 12, 16), END_OF_1_5, fidelity=("low", "high"), text_output=True),
        ImageModel("gpt-image-1-mini", date(2025, 10, 6), END_OF_1_5, fidelity=("low",)),
        ImageModel("chatgpt-image-latest", date(2025, 12, 16), END_OF_1_5),
        ImageModel("gpt-image-1", date(2025, 4, 23), date(2026, 10, 23), fidelity=("low", "high")),
    )
}
DEFAULT_IMAGE_MODEL = "gpt-image-2"
DEFAULT_TOOL_MODEL = "gpt-image-2.6-sunburst"


@dataclass(frozen=True)
class HostModel:
    """A model that answers in the Responses API and calls the image tool; `reasons` where it does so unasked."""

    name: str
    ends: date | None = None
    reasons: bool = False


def _hosts() -> dict[str, HostModel]:
    lasting = (
        "gpt-5.2 gpt-5.4 gpt-5.4-mini gpt-5.5 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-6-sol gpt-6-luna gpt-6-astra"
    )
    ending = (
        (date(2026, 12, 11), True, "gpt-5 gpt-5-mini gpt-5-nano o3"),
        (date(2027, 1, 14), False, "gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini"),
        (date(2027, 4, 1), False, "gpt-5.1 gpt-5.4-nano"),
        (date(2026, 10, 23), False, "gpt-4.1-nano"),
    )
    hosts = [HostModel(name) for name in f"{lasting} gpt-6.1-sol gpt-6.1-terra".split()]
    hosts += [HostModel(name, ends, reasons) for ends, reasons, names in ending for name in names.split()]
    return {host.name: host for host in hosts}


HOST_MODELS = _hosts()


def _gone(ends: date | None, now: float) -> bool:
    return ends is not None and datetime.fromtimestamp(now, UTC).date() >= ends


def image_model(name: str, now: float, param: str = "model") -> ImageModel:
    """Raises ApiError (404) for a name that is unknown or past its end at `now` (Unix seconds)."""
    if (model := IMAGE_MODELS.get(name)) is None or _gone(model.ends, now):
        raise no_such_model(name, param)
    return model


def host_model(name: str, now: float) -> HostModel:
    """Raises ApiError: 400 for an image model, 404 for one that is unknown or past its end at `now` (Unix seconds)."""
    if name in IMAGE_MODELS:
        raise no_host_model(name)
    if (model := HOST_MODELS.get(name)) is None or _gone(model.ends, now):
        raise no_such_model(name)
    return model


def listing(now: float) -> list[dict[str, Any]]:
    """The model objects of `GET /v1/models`: what has not ended at `now` (Unix seconds)."""
    known: list[ImageModel | HostModel] = [*IMAGE_MODELS.values(), *HOST_MODELS.values()]
    return [_object(model) for model in known if not _gone(model.ends, now)]


def _object(model: ImageModel | HostModel) -> dict[str, Any]:
    added = model.added if isinstance(model, ImageModel) else date(2025, 1, 1)
    created = int(datetime(added.year, added.month, added.day, tzinfo=UTC).timestamp())
    ends = model.ends.isoformat() if model.ends else None
    return {"id": model.name, "object": "model", "created": created, "owned_by": "system", "shutdown_date": ends}


def listed(name: str, now: float) -> dict[str, Any]:
    """One model object. Raises ApiError (404) where it is unknown or past its end."""
    if (found := next((model for model in listing(now) if model["id"] == name), None)) is None:
        raise no_such_model(name)
    return found
