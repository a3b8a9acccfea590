"""The API's errors as it words them: status, message, type, code, param and headers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

REQUEST = "invalid_request_error"
IMAGE = "image_generation_user_error"


@dataclass
class ApiError(Exception):
    """An answer that is an error. `{request_id}` in the message stands for the request's id."""

    message: str
    status: int = 400
    type: str | None = REQUEST
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    moderation: Mapping[str, Any] | None = None

    def error(self, request_id: str) -> dict[str, Any]:
        """What stands under `error` in the body."""
        said = self.message.replace("{request_id}", request_id)
        body = {"message": said, "type": self.type, "param": self.param, "code": self.code}
        return body | ({"moderation_details": self.moderation} if self.moderation else {})


def missing_key() -> ApiError:
    text = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY)."
    )
    return ApiError(text, 401, headers={"www-authenticate": 'Bearer realm="OpenAI API"'})


def incorrect_key(key: str) -> ApiError:
    shown = f"{key[:4]}{'*' * min(24, max(4, len(key) - 8))}{key[-4:]}" if len(key) >= 12 else "*" * len(key)
    text = f"Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
    return ApiError(text, 401, code="invalid_api_key", headers={"www-authenticate": 'Bearer realm="OpenAI API"'})


def unreadable_body() -> ApiError:
    return ApiError(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
        "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
    )


def wrong_media_type(given: str) -> ApiError:
    return ApiError(
        f"Unsupported content type: '{given}'. This API method only accepts 'application/json' or "
        "'multipart/form-data' requests, but you specified another media type.",
        code="unsupported_content_type",
    )


def no_such_path(method: str, path: str) -> ApiError:
    return ApiError(f"Invalid URL ({method} {path})", 404)


def wrong_method(method: str, path: str) -> ApiError:
    text = f"Not allowed to {method} on {path} (HINT: Perhaps you meant to use a different HTTP method?)"
    return ApiError(text, 405, code="method_not_supported")


def unknown_parameter(name: str) -> ApiError:
    return ApiError(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def missing_parameter(name: str) -> ApiError:
    return ApiError(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


def wrong_type(name: str, expected: str, got: object) -> ApiError:
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    text = f"Invalid type for '{name}': expected {expected}, but got {names.get(type(got), 'null')} instead."
    return ApiError(text, code="invalid_type", param=name)


def wrong_value(name: str, value: str, supported: Sequence[str], kind: str = REQUEST) -> ApiError:
    quoted = [f"'{one}'" for one in supported]
    listed = ", ".join(quoted[:-1]) + f", and {quoted[-1]}" if len(quoted) > 2 else " and ".join(quoted)
    return ApiError(f"Invalid value: '{value}'. Supported values are: {listed}.", 400, kind, "invalid_value", name)


def refused(name: str, text: str) -> ApiError:
    """A value that this model or this combination does not take."""
    return ApiError(text, 400, IMAGE, "invalid_value", name)


def out_of_range(name: str, value: int, least: int, most: int) -> ApiError:
    low = value < least
    limit, sign, code = (least, ">=", "integer_below_min_value") if low else (most, "<=", "integer_above_max_value")
    side = "below minimum" if low else "above maximum"
    text = f"Invalid '{name}': integer {side} value. Expected a value {sign} {limit}, but got {value} instead."
    return ApiError(text, code=code, param=name)


def text_too_long(name: str, longest: int, length: int) -> ApiError:
    return ApiError(
        f"Invalid '{name}': string too long. Expected a string with maximum length {longest}, but got a string with "
        f"length {length} instead.",
        code="string_above_max_length",
        param=name,
    )


def text_empty(name: str) -> ApiError:
    return ApiError(
        f"Invalid '{name}': empty string. Expected a string with minimum length 1, but got an empty string instead.",
        code="empty_string",
        param=name,
    )


def list_too_long(name: str, longest: int, length: int) -> ApiError:
    return ApiError(
        f"Invalid '{name}': array too long. Expected an array with maximum length {longest}, but got an array with "
        f"length {length} instead.",
        code="array_above_max_length",
        param=name,
    )


def no_such_model(name: str, param: str | None = "model") -> ApiError:
    text = f"The model `{name}` does not exist or you do not have access to it."
    return ApiError(text, 404, code="model_not_found", param=param)


def no_host_model(name: str) -> ApiError:
    text = f"The requested model '{name}' is not supported with the Responses API."
    return ApiError(text, code="model_not_found", param="model")


def no_such_file(file_id: str, param: str = "id") -> ApiError:
    return ApiError(f"No such File object: {file_id}", 404, param=param)


def no_such_response(response_id: str) -> ApiError:
    return ApiError(f"Response with id '{response_id}' not found.", 404)


def no_such_item(item_id: str) -> ApiError:
    return ApiError(
        f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false. Try again with "
        "`store` set to true, or remove this item from your input.",
        404,
        param="input",
    )


def no_previous_response(response_id: str) -> ApiError:
    text = f"Previous response with id '{response_id}' not found."
    return ApiError(text, code="previous_response_not_found", param="previous_response_id")


def no_retention() -> ApiError:
    text = "Previous response cannot be used for this organization due to Zero Data Retention."
    return ApiError(text, code="unsupported_parameter", param="previous_response_id")


def unsupported_file(name: str, mime_type: str) -> ApiError:
    return ApiError(
        f"Invalid file '{name}': unsupported mimetype ('{mime_type}'). Supported file formats are 'image/jpeg', "
        "'image/png', and 'image/webp'.",
        code="unsupported_file_mimetype",
        param=name,
    )


def invalid_image_file(number: int, param: str) -> ApiError:
    text = f"Invalid image file or mode for image {number}, please check your image file."
    return ApiError(text, 400, IMAGE, "invalid_image_file", param)


def invalid_image_data(param: str) -> ApiError:
    return ApiError("Invalid image data.", 400, IMAGE, "invalid_image_file", param)


def invalid_input_image() -> ApiError:
    return ApiError(
        "The image data you provided does not represent a valid image. Please check your input and try again with one "
        "of the following image formats: ['image/jpeg', 'image/png', 'image/gif', 'image/webp'].",
        code="invalid_value",
        param="input",
    )


def download_failed() -> ApiError:
    return ApiError("Error while downloading file. Upstream status code: 404.", code="invalid_value", param="url")


def invalid_mask(reason: str, param: str) -> ApiError:
    return ApiError(f"Invalid mask image format - {reason}", 400, IMAGE, "invalid_mask_image_format", param)


def no_image_to_edit(param: str) -> ApiError:
    return refused(param, "The image generation action is 'edit', but there is no image in the context to edit.")
