"""From a checked operation to the request that the client sends."""

from typing import Any, Literal

from ..errors import UnsupportedOption
from ..inputs.load import InputImage, Inputs
from ..openai_api.values import FileId, ImageCall, Picture, ResponsesCall, Upload
from ..operations import ContinueImageThread, EditImage, GenerateImage, PaidOperation
from ..settings import Settings
from .continuing import Way

BACKGROUND = ("openai", "azure", "sandbox")  # providers whose Responses API works on when nobody listens
_FIRST_ACTIONS: dict[type, Literal["generate", "edit"]] = {GenerateImage: "generate", EditImage: "edit"}


def call_of(
    operation: PaidOperation,
    *,
    model: str,
    api: Literal["image", "responses"],
    options: dict[str, Any],
    inputs: Inputs,
    markup: InputImage | None = None,
    way: Way,
    provider: str,
    settings: Settings,
) -> ImageCall | ResponsesCall:
    """The request. `model` is as the caller names it: a model, or an Azure deployment of one. With a mask, which refers
    to pixels, the parent's bytes are among the inputs in any case."""
    model, deployment = settings.model_behind(model), settings.deployment_of(model)
    pictures = tuple(picture(image) for image in inputs.images)
    mask = picture(inputs.mask) if inputs.mask else None
    if api == "image" and not isinstance(operation, ContinueImageThread):
        return ImageCall(
            model=model,
            prompt=operation.prompt,
            n=operation.n,
            images=pictures,
            mask=mask,
            markup=picture(markup) if markup else None,
            partial_images=operation.partial_images,
            options={name: value for name, value in options.items() if name != "markup"},
            deployment=deployment,
        )
    continued = operation if isinstance(operation, ContinueImageThread) else None
    return ResponsesCall(
        host_model=settings.host_model,
        model=model,
        prompt=operation.prompt or "",
        call_id=way.call_id if mask is None else None,
        previous_response_id=way.previous_response_id,
        exchanges=way.exchanges,
        images=pictures,
        mask=mask,
        action=continued.action if continued else _FIRST_ACTIONS[type(operation)],
        partial_images=operation.partial_images,
        store=settings.store,
        background=settings.background and settings.store and provider in BACKGROUND,
        options=options,
        deployment=deployment,
        host_deployment=settings.deployment_of(settings.responses_model),
    )


def as_edit(call: ResponsesCall) -> ImageCall:
    """The same continuation for a server without a Responses API; the parent's bytes are in `images` by now.

    Raises UnsupportedOption for action generate: what else the thread holds is known to the Responses API alone, and an
    edit of the earlier image is what the caller does not want.
    """
    if call.action == "generate":
        raise UnsupportedOption(
            "action generate needs a Responses API, which this provider does not have",
            "make the new picture with generate_image, or leave out action to edit the earlier one",
        )
    return ImageCall(
        model=call.model,
        prompt=call.prompt,
        images=call.images,
        mask=call.mask,
        partial_images=call.partial_images,
        options=call.options,
        deployment=call.deployment,
    )


def picture(image: InputImage) -> Picture:
    """An input in the form the client sends."""
    if image.file_id is not None:
        return FileId(image.file_id)
    assert image.data is not None
    return Upload(image.data, image.name, image.mime_type or "image/png")
